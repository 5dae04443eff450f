"""The ladder: knowing nothing, counting, and the GPT, on the same unseen text.

Tables of counts know how often each character came (unigram), after which one (bigram),
after which two (trigram). Counts come from the training part alone; Witten and Bell's
rule mixes them with those of shorter histories.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import math
from typing import NamedTuple

import numpy as np

from experiments.part5.evaluate import last_score
from experiments.part5.setting import Setting, Trained
from nnguide.language.ngrams import probabilities
from nnguide.plots import ladder as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim

NAMES = ("uniform", "unigram", "bigram", "trigram")
LONGEST = 6  # counting is at its best with 5 characters on both texts
COUNTED = 10_000_000  # tokens of the training part at most: the table must fit


class Ladder(NamedTuple):
    """Mean surprise at each token of the validation text but the first, in nats.

    Attributes:
      counting: of the n-gram models; row n looks at n - 1 tokens.
      model: of the transformer.
    """

    counting: np.ndarray
    model: float


def climb(setting: Setting, trained: Trained) -> Ladder:
    """Measures every rung on the tokens that the transformer was judged by."""
    text, size = setting.text, setting.text.vocabulary_size
    # V to the power of the longest must fit into 63 bits.
    longest = min(LONGEST, int(63 / math.log2(max(size, 2)) - 1e-9))
    each = probabilities(text.train[:COUNTED], text.validation, longest, size)
    surprise = -np.log(each[:, 1:]).mean(axis=-1)
    return Ladder(surprise, last_score(trained).loss)


def study(setting: Setting, trained: Trained) -> tuple[list[Claim], list[str]]:
    """Measures the ladder, draws it, and the training against its rungs."""
    found, bit = climb(setting, trained), math.log(2)
    rungs = dict(zip(NAMES, found.counting[: len(NAMES)].tolist(), strict=False))
    best = int(found.counting.argmin())
    note = (
        f"Tables count {min(len(setting.text.train), COUNTED):,} {setting.unit}s of "
        "the training text, smoothed by Witten and Bell's rule; all are judged by the "
        f"same {len(setting.text.validation) - 1:,} {setting.unit}s of another part."
    )
    staircase = style.save(
        pictures.staircase(
            setting.theme,
            {name: nats / bit for name, nats in {**rungs, "GPT": found.model}.items()},
            (f"the best table, {best}-grams", found.counting[best] / bit),
            setting.unit,
            note,
        ),
        setting.workdir,
        "ladder",
        counting=found.counting,
        model=found.model,
    )
    training, validation = (
        pictures.Curve(*_column(trained, name)) for name in ("loss", "validation/loss")
    )
    further = {f"{best}-gram": found.counting[best]} if best >= len(NAMES) else {}
    learning = style.save(
        pictures.learning(
            setting.theme, training, validation, {**rungs, **further}, setting.unit
        ),
        setting.workdir,
        "learning",
        training=training,
        validation=validation,
    )
    return _claims(setting, found, best), [staircase, learning]


def _column(trained: Trained, name: str) -> np.ndarray:
    """Steps and values of a metric, (2, rows)."""
    rows = [row for row in trained.history if name in row]
    return np.array([[row["step"] for row in rows], [row[name] for row in rows]])


# Bits a character. Counting is exact for a text; the language reference of Python
# 3.11, 3.12 and 3.13 differs a little.
_EXPECTED: dict[str, dict[str, Band]] = {
    "default": {
        "uniform": (6.6, 6.8),
        "unigram": (4.6, 4.75),
        "bigram": (3.28, 3.42),
        "trigram": (2.4, 2.55),
        "GPT": (1.93, 2.2),
    },
    "nanogpt_cpu": {
        "uniform": (6.022, 6.023),
        "unigram": (4.829, 4.83),
        "bigram": (3.586, 3.587),
        "trigram": (2.956, 2.957),
        "GPT": (2.68, 2.82),
    },
}


def _claims(setting: Setting, found: Ladder, best: int) -> list[Claim]:
    bits = (np.array([*found.counting[: len(NAMES)], found.model])) / math.log(2)
    says = {
        "uniform": "knowing nothing, all are equally likely",
        "unigram": "knowing how often each comes helps",
        "bigram": "knowing the one before helps more",
        "trigram": "knowing the two before, more again",
        "GPT": "learning from the text beats all three tables of counts",
    }
    claims, above = [], float(bits[0])
    expected = _EXPECTED.get(setting.recipe, {})
    for (name, statement), value in zip(says.items(), bits.tolist(), strict=True):
        claims.append(
            Claim(
                f"5.ladder_{name.lower()}",
                f"{name}: {statement}",
                value,
                (0, above),
                expected.get(name, (0, float(bits[0]))),
                "3Blue1Brown, Large Language Models explained briefly; counts smoothed "
                "by Witten and Bell 1991; expected of the GPT: measured here",
                unit=f"bits a {setting.unit}",
                needs="the default recipe, or part5_nanogpt_cpu",
                scored=name in expected,
            )
        )
        above = value
    return claims
