"""Why analogies work, and what they cost: a planted language, its corpus, its vectors.

In the language the log-odds of the words around are sums, one term for each of a word's
gender, rank and age. In its control they are the same numbers dealt out anew. Vectors
are fitted to corpora of either, from small to large.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.part6.setting import Setting
from nnguide.array_types import Array
from nnguide.facts import planted
from nnguide.facts.analogies import ranks
from nnguide.facts.directions import unit
from nnguide.plots import planted as pictures
from nnguide.plots import style
from nnguide.results import Claim

CORPORA = (30_000, 100_000, 300_000, 1_000_000)  # pairs of a word and one around it
SEEDS, WIDTH, STEPS = 5, 16, 600


class Measured(NamedTuple):
    """What the vectors of one kind of language do.

    Attributes:
      right: shares of the analogies; inputs excluded, allowed.
      planted: differences of log-odds, of each analogy's d - c over the words around;
        of the largest corpus and the first seed, centred.
      learned: dot products of the vectors' d - c with the words' around.
    """

    right: Float[np.ndarray, "corpora seeds 2"]
    planted: Float[np.ndarray, "questions contexts"]
    learned: Float[np.ndarray, "questions contexts"]

    @property
    def correlation(self) -> float:
        """Of planted and learned."""
        return float(np.corrcoef(self.planted.ravel(), self.learned.ravel())[0, 1])


def measure(seed: int, additive: bool) -> Measured:
    """Trains on every corpus from every start, and asks every analogy."""
    asked = planted.questions()
    right = np.zeros((len(CORPORA), SEEDS, 2))
    of_seeds = jax.random.split(jax.random.key(seed), SEEDS)
    language, learned = None, None
    for place, size in enumerate(CORPORA):
        for number, key in reversed(list(enumerate(of_seeds))):
            plant_key, learn_key = jax.random.split(key)
            language = planted.plant(plant_key, size, additive)
            learned = planted.learn(learn_key, language.counts, WIDTH, STEPS)
            found = ranks(unit(learned.words), asked)
            right[place, number] = [
                (found.excluded == 1).mean(), (found.allowed == 1).mean()
            ]  # fmt: skip
    assert language is not None  # those of the last corpus and the first seed
    assert learned is not None
    change = learned.words[asked[:, 3]] - learned.words[asked[:, 2]]
    odds = language.log_odds[asked[:, 3]] - language.log_odds[asked[:, 2]]
    return Measured(right, _centred(odds), _centred(change @ learned.contexts.T))


def _centred(rows: Float[Array, "N M"]) -> np.ndarray:
    """Log-odds are known up to a number a word, which the biases take."""
    return np.asarray(rows - jnp.mean(rows, axis=1, keepdims=True))


def study(setting: Setting) -> tuple[list[Claim], list[str]]:
    """The language in which log-odds add, and the one in which they do not."""
    sums, control = (measure(setting.seed, additive) for additive in (True, False))
    picture = style.save(
        pictures.planted(
            setting.theme, np.array(CORPORA), (sums.right, control.right),
            (sums.planted, control.planted), (sums.learned, control.learned),
            (sums.correlation, control.correlation),
        ),
        setting.workdir, "directions_planted", corpora=CORPORA, right=sums.right,
        control=control.right, planted=sums.planted, learned=sums.learned,
    )  # fmt: skip
    source = "planted: log-odds add, and the corpus is large"
    chance = 1 / (len(planted.WORDS) - 3)
    # (id, statement, measured, stated, expected, unit)
    rows = [
        ("planted_analogies", "where log-odds add, sums of vectors answer analogies",
         sums.right[-1, :, 0].mean(), (0.99, 1), (0.995, 1),
         f"right, inputs excluded, mean of {SEEDS}"),
        ("planted_allowed", "and do so with the inputs as candidates",
         sums.right[-1, :, 1].mean(), (0.99, 1), (0.97, 1), f"right, mean of {SEEDS}"),
        ("planted_control", "where the same log-odds do not add, they cannot",
         control.right[-1, :, 0].mean(), (0, 0.2), (0, 3.5 * chance),
         f"right, chance is {chance:.1%}"),
        ("planted_log_odds", "a difference of vectors is a difference of log-odds",
         sums.correlation, (0.95, 1), (0.98, 1),
         "correlation of its dot products with what was planted"),
    ]  # fmt: skip
    return [
        Claim(f"6.{name}", statement, float(measured), stated, expected, source,
              unit=unit)
        for name, statement, measured, stated, expected, unit in rows
    ], [picture]  # fmt: skip
