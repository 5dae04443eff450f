"""How well the model predicts a text it has never seen.

Every token of the validation part but the first is predicted once, from those before
it in its window: windows of T tokens follow one another, so that the first prediction
of a window rests on one token and the last on T. (nanoGPT estimates the same from
windows at random places.)

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import math
from typing import NamedTuple

import numpy as np

from experiments.part5.setting import Setting, Trained
from experiments.part5.training_run import task_of, whole_text
from nnguide.language.next_token import bits_per_byte, perplexity
from nnguide.parallel import ParallelConfig, make_mesh
from nnguide.results import Band, Claim
from nnguide.training.evaluation import evaluator
from nnguide.training.metrics import means


class Score(NamedTuple):
    """How a model did on the validation part.

    Attributes:
      loss: nats a token.
      accuracy: how often the token held likeliest came.
    """

    loss: float
    accuracy: float


def score(setting: Setting, trained: Trained) -> Score:
    """Reads the validation text anew."""
    tokens, context = setting.text.validation, setting.model.config.context
    batches, mesh = whole_text(tokens, context), make_mesh(ParallelConfig(devices=1))
    task = task_of(setting.model)
    run = evaluator(task, batches, {}, setting.seed, "jit", mesh)
    row = means(run(trained.params) or {})
    return Score(row["loss"], row["accuracy"])


def last_score(trained: Trained) -> Score:
    """The score at the end of the training, from its history."""
    row = [row for row in trained.history if "validation/loss" in row][-1]
    return Score(row["validation/loss"], row["validation/accuracy"])


def report(setting: Setting, trained: Trained) -> list[Claim]:
    """Evaluates, and prints what that means."""
    found, text = score(setting, trained), setting.text
    context = setting.model.config.context
    print(
        f"{text.origin}: {len(text.validation) - 1:,} {setting.unit}s of the "
        f"validation part, each predicted once, in windows of {context}: from the 1 to "
        f"{context} {setting.unit}s before it; after {trained.step:,} steps"
    )
    print(f"loss {found.loss:.4f} nats a {setting.unit}")
    print(f"perplexity {perplexity(found.loss):.4f}")
    if text.validation_bytes:
        print(f"bits per byte {_bits_per_byte(setting, found):.4f}")
    return claims(setting, found)


def _bits_per_byte(setting: Setting, found: Score) -> float:
    text = setting.text
    return bits_per_byte(found.loss, len(text.validation), text.validation_bytes or 1)


def claims(setting: Setting, found: Score) -> list[Claim]:
    """What the score says, for the recipes with a reference."""
    chance = math.log(setting.text.vocabulary_size)
    bands: dict[str, tuple[Band, Band, str]] = {
        "default": (
            (1.34, 1.52),
            (0.58, 0.65),
            "1.41 to 1.44 with 3 seeds and 3 texts",
        ),
        "nanogpt_cpu": (
            (1.86, 1.95),
            (0.42, 0.46),
            "1.89 to 1.92 with 3 seeds here and 2 in PyTorch; nanoGPT's README: 1.88",
        ),
        "shakespeare_cpu": (
            (1.67, 1.78),
            (0.46, 0.52),
            "1.699 to 1.729 with 3 seeds here, nanoGPT's README: 1.88",
        ),
    }
    unknown = ((0, chance), (0, 1), "no reference")
    expected, right, why = bands.get(setting.recipe, unknown)
    source = f"3Blue1Brown, Large Language Models explained briefly; {why}"
    needs = "the default recipe, part5_nanogpt_cpu or part5_shakespeare_cpu"
    commonest = np.bincount(setting.text.validation).max() / len(
        setting.text.validation
    )
    return [
        Claim(
            "5.validation_loss",
            "a GPT foresees a text it has never seen better than chance",
            found.loss,
            (0, chance),
            expected,
            source,
            unit=f"nats a {setting.unit}",
            needs=needs,
            scored=setting.recipe in bands,
        ),
        Claim(
            "5.accuracy",
            f"its likeliest {setting.unit} comes more often than the commonest one",
            found.accuracy,
            (float(commonest), 1),
            right,
            source,
            unit="share",
            needs=needs,
            scored=setting.recipe in bands,
        ),
    ]
