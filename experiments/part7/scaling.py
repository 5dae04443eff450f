"""Why scores are divided by sqrt(K), and why the mask comes before the softmax.

The product of a query and a key whose entries have variance 1 has standard deviation
sqrt(K). Unscaled, the softmax of wide heads puts all its weight on one key. Weights set
to 0 after the softmax leave rows that do not sum to 1, and let later words be felt.

Source: 3Blue1Brown, "Attention in transformers, step-by-step"; Vaswani et al., arXiv
1706.03762, section 3.2.1.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments import study as shared
from experiments.part7.setting import Setting
from nnguide.array_types import Array, Key
from nnguide.config import InputError
from nnguide.plots import scaling as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.transformer import attention_kernels

AT = 128  # the head width of GPT-3, of which claims speak
KEYS = 64  # that each query chooses from
SHOWN = 8  # words of the sentence that is masked


@dataclasses.dataclass(frozen=True)
class Config:
    """How scores are measured.

    Attributes:
      widths: of heads, ascending.
      heads: random heads of each width, with 64 queries and keys.
    """

    widths: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    heads: int = 64

    def __post_init__(self) -> None:
        shared.check("scaling", self, widths=1, heads=1)
        if AT not in self.widths:
            given = ",".join(map(str, self.widths))
            raise InputError(
                f"--scaling.widths={given}: {AT} is missing; the claims need it."
            )


class Scores(NamedTuple):
    """Random heads of several widths.

    Attributes:
      std: standard deviation of q . k.
      entropy: mean of a row of the pattern, scaled and not, in nats.
      largest: mean of a row's largest weight, scaled and not.
    """

    std: Float[np.ndarray, "widths"]
    entropy: Float[np.ndarray, "widths 2"]
    largest: Float[np.ndarray, "widths 2"]


def measure(config: Config, seed: int) -> Scores:
    """Standard deviations, entropies and largest weights of all widths."""
    widest = config.widths[-1]

    @jax.jit  # one program for all widths: a narrow head is a wide one with zeros
    def scores_of(width: Array, key: Key) -> tuple[Array, Array, Array]:
        vectors = jax.random.normal(
            key, (2, config.heads, KEYS, 1, widest), jnp.float32
        )
        vectors = vectors * (jnp.arange(widest) < width)[None, None, None, None]
        query, keys = vectors
        scores = jnp.einsum("BTHK,BSHK->BHTS", query, keys)
        by_kernel = widest**0.5  # the root it divides by
        patterns = jnp.stack(
            [
                attention_kernels.pattern(query * factor, keys, causal=False)
                for factor in (by_kernel / jnp.sqrt(width), by_kernel)
            ]
        )
        each = -jnp.sum(jax.scipy.special.xlogy(patterns, patterns), axis=-1)
        axes = (1, 2, 3)
        return scores.std(), each.mean(axes), patterns.max(-1).mean(axes)

    key = jax.random.key(seed)
    rows = [
        scores_of(jnp.float32(width), jax.random.fold_in(key, width))
        for width in config.widths
    ]
    return Scores(
        *(
            np.array([np.asarray(x) for x in column])
            for column in zip(*rows, strict=True)
        )
    )


class Masks(NamedTuple):
    """One random head under two masks.

    Attributes:
      before: -infinity before the softmax.
      after: zeros after it.
      felt_before: how much other weights move when only the last word changes.
      felt_after: the same, of zeros after.
    """

    before: Float[np.ndarray, "T T"]
    after: Float[np.ndarray, "T T"]
    felt_before: float
    felt_after: float


def mask_both_ways(seed: int) -> Masks:
    """The pattern with each mask, and what it shows of the last word to the others."""
    query, keys = jax.random.normal(
        jax.random.key(seed), (2, 1, SHOWN, 1, AT), jnp.float32
    )
    other = keys.at[:, -1].multiply(-1.0)

    def before(keys: Array) -> Array:
        return attention_kernels.pattern(query, keys, causal=True)[0, 0]

    def after(keys: Array) -> Array:
        whole = attention_kernels.pattern(query, keys, causal=False)[0, 0]
        return jnp.tril(whole)

    def felt(way: "jax.stages.Wrapped") -> float:
        return float(jnp.abs(way(other) - way(keys))[:-1].max())

    before, after = jax.jit(before), jax.jit(after)
    return Masks(
        np.asarray(before(keys)), np.asarray(after(keys)), felt(before), felt(after)
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Measures random heads of all widths, and both masks; draws them."""
    scores, masks = measure(config, setting.seed), mask_both_ways(setting.seed)
    widths = np.array(config.widths)
    drawn = [
        style.save(
            pictures.scores_by_width(
                setting.theme, widths, scores.std, scores.entropy, scores.largest,
                KEYS, AT,
            ),
            setting.workdir, "scaling", widths=widths, **scores._asdict(),
        ),
        style.save(
            pictures.masks(
                setting.theme, masks.before, masks.after, masks.felt_after
            ),
            setting.workdir, "mask_before_and_after", **masks._asdict(),
        ),
    ]  # fmt: skip
    return _claims(config, scores) + _mask_claims(masks), drawn


def _claims(config: Config, scores: Scores) -> list[Claim]:
    source = "Vaswani et al. 2017, section 3.2.1"
    place = config.widths.index(AT)
    ratio = scores.std / np.sqrt(config.widths)
    (scaled, unscaled), most = scores.largest[place], np.log(KEYS)
    scored = config.heads >= Config().heads
    needs = "the default number of heads"
    return [
        Claim(
            "7.score_std", "scores of unit-variance queries and keys spread by sqrt(K)",
            float(ratio[np.argmax(abs(ratio - 1))]), (0.95, 1.05), (0.95, 1.05),
            f"{source}; closed form", unit="std over sqrt(K), the farthest from 1",
            needs=needs, scored=scored,
        ),
        Claim(
            "7.unscaled_largest",
            f"without 1/sqrt(K), heads of width {AT} look at one word alone",
            float(unscaled), (0.8, 1), (0.82, 0.9), source,
            unit=f"mean largest weight of {KEYS}", needs=needs, scored=scored,
        ),
        Claim(
            "7.scaled_largest", "with it they look at many",
            float(scaled), (0, 0.2), (0.08, 0.14), source,
            unit=f"mean largest weight of {KEYS}", needs=needs, scored=scored,
        ),
        Claim(
            "7.scaled_entropy", "with it the entropy does not depend on the width",
            float(np.ptp(scores.entropy[place:, 0])), (0, 0.05), (0, 0.03),
            f"{source}; {most:.2f} nats would be uniform",
            unit=f"nats, range over widths from {AT} on", needs=needs, scored=scored,
        ),
    ]  # fmt: skip


def _mask_claims(masks: Masks) -> list[Claim]:
    source = "3Blue1Brown, Attention in transformers, step-by-step"
    sums = masks.after.sum(axis=1)
    return [
        Claim(
            "7.rows_sum_to_1", "after the softmax a query's weights sum to 1",
            float(abs(masks.before.sum(axis=1) - 1).max()), (0, 1e-5), (0, 1e-5),
            source, unit="largest error",
        ),
        Claim(
            "7.mask_before_hides", "-infinity before the softmax hides later words",
            masks.felt_before, (0, 0), (0, 0), source,
            unit="largest change of an earlier word's weights",
        ),
        Claim(
            "7.mask_after_sums", "zeros after the softmax break the sum",
            float(sums.min()), (0, 0.9), (0, 0.9), source, unit="smallest sum",
        ),
        Claim(
            "7.mask_after_leaks", "and let later words be felt",
            masks.felt_after, (0.001, None), (0.001, 1), source,
            unit="largest change of an earlier word's weights",
        ),
    ]  # fmt: skip
