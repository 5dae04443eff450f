"""Where GPT-3's 175 billion weights are: the guide's table, row by row.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs", "Attention in transformers"
and "How might LLMs store facts"; Brown et al., arXiv 2005.14165, table D.1.
"""

import numpy as np

from experiments.part6.setting import Setting
from nnguide.plots import style
from nnguide.plots.parameter_table import model_sizes, parameter_table
from nnguide.results import Claim
from nnguide.transformer.config import (
    GPT2,
    GPT2_LARGE,
    GPT2_MEDIUM,
    GPT2_XL,
    GPT3,
)
from nnguide.transformer.parameter_count import (
    every_parameter,
    guide_table,
    left_out,
    number_of_matrices,
    parameter_count,
    total,
    totals,
)

MODELS = {
    "GPT-2 small": GPT2,
    "GPT-2 medium": GPT2_MEDIUM,
    "GPT-2 large": GPT2_LARGE,
    "GPT-2 XL": GPT2_XL,
    "GPT-3": GPT3,
}
GPT2_SIZES = (124_439_808, 354_823_168, 774_030_080, 1_557_611_200)


def study(setting: Setting) -> tuple[list[Claim], list[str]]:
    """Counts and draws; nothing is trained."""
    rows = guide_table(GPT3)
    missing: dict[str, int] = {**left_out(GPT3)}
    sizes: dict[str, dict[str, int]] = {
        name: {**totals(every_parameter(config))} for name, config in MODELS.items()
    }
    kinds = sorted({part for of in sizes.values() for part in of})
    names = [row.name for row in rows]
    shapes = np.array([row.shape for row in rows])
    copies = np.array([(row.heads, row.layers) for row in rows])
    parts = [row.part for row in rows]
    pictures = [
        style.save(
            parameter_table(
                setting.theme, "GPT-3", names, shapes, copies, parts, missing
            ),
            setting.workdir,
            "parameters",
            names=names,
            shapes=shapes,
            copies=copies,
            parts=parts,
            left_out=list(missing),
            left_out_numbers=list(missing.values()),
        ),
        style.save(
            model_sizes(setting.theme, sizes),
            setting.workdir,
            "model_sizes",
            models=list(sizes),
            parts=sorted({part for of in sizes.values() for part in of}),
            numbers=[[of.get(part, 0) for part in kinds] for of in sizes.values()],
        ),
    ]
    return _claims(), pictures


def _claims() -> list[Claim]:
    videos = "3Blue1Brown, How might LLMs store facts (the table)"
    rows = guide_table(GPT3)
    sums, whole = totals(rows), total(rows)
    right = sum(
        parameter_count(config) == size
        for config, size in zip(MODELS.values(), GPT2_SIZES, strict=False)
    )
    return [
        Claim(
            "6.gpt3_total",
            "GPT-3 has 175,181,291,520 weights",
            whole,
            (175_181_291_520, 175_181_291_520),
            (175_181_291_520, 175_181_291_520),
            videos,
            unit="weights",
        ),
        Claim(
            "6.gpt3_matrices",
            "they are organized into just under 28,000 matrices",
            number_of_matrices(GPT3),
            (27_000, 28_000),
            (27_938, 27_938),
            videos,
            unit="matrices",
        ),
        Claim(
            "6.gpt3_attention",
            "about a third of them are in attention blocks",
            sums["attention"] / whole,
            (0.3, 0.36),
            (0.33098, 0.33099),
            f"{videos}; 57,982,058,496",
            unit="of the weights",
        ),
        Claim(
            "6.gpt3_mlp",
            "two thirds are in MLP blocks",
            sums["mlp"] / whole,
            (0.64, 0.69),
            (0.66196, 0.66197),
            f"{videos}; 115,964,116,992",
            unit="of the weights",
        ),
        Claim(
            "6.gpt3_parameters",
            "that is what the trained model holds",
            parameter_count(GPT3),
            (175_181_291_520, 175_181_291_520),
            (174_604_259_328, 174_604_259_328),
            "Brown et al., arXiv 2005.14165, table D.1: 174,600 million",
            unit="parameters: one table, positions, biases and norms counted",
        ),
        Claim(
            "6.gpt2_sizes",
            "the same count gives the published sizes of GPT-2",
            right,
            (4, 4),
            (4, 4),
            "Radford et al. 2019: 124M, 355M, 774M, 1,558M",
            unit="of 4 exactly",
        ),
    ]
