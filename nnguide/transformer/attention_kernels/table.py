"""What each attention kernel can do, at a glance, and the choice among them.

A kernel asked for by name does all that the call needs or is refused with the reason.
Only `auto` chooses, and it says what it took and why.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from absl import logging

from nnguide import target
from nnguide.config import InputError

AttentionName = Literal["auto", "written_out", "xla", "blockwise", "cudnn", "splash"]


class Wants(NamedTuple):
    """What a call needs from a kernel.

    Attributes:
      causal: no query sees a later token.
      segments: several documents share a row, and none sees another.
      grouped_heads: several query heads share the heads of keys and values.
      cache: an array says which pairs are valid: ragged keys, as a cache has them.
      softcap: scores squashed by c tanh(score / c).
      dropout: parts of the pattern dropped.
      float32: queries, keys and values in float32.
    """

    causal: bool
    segments: bool
    grouped_heads: bool
    cache: bool
    softcap: bool
    dropout: bool
    float32: bool


class Case(NamedTuple):
    """One call of a kernel.

    Attributes:
      wants: what it needs.
      dtype: of queries, keys and values.
      head_width: K.
      queries: T.
      keys: S.
    """

    wants: Wants
    dtype: Any
    head_width: int
    queries: int
    keys: int


class Abilities(NamedTuple):
    """What a kernel can do: the needs it meets, then where and at which sizes.

    Attributes:
      causal: as in `Wants`, as are the next six.
      segments: see `Wants`.
      grouped_heads: see `Wants`.
      cache: see `Wants`.
      softcap: see `Wants`.
      dropout: see `Wants`.
      float32: see `Wants`.
      platforms: where it runs; none named means everywhere.
      width_multiple: the head width has to be a multiple of it.
      width_most: the largest head width; 0 for any.
      width_most_on_hopper: the same where a Hopper GPU or a later one is at hand.
      tokens_multiple: the numbers of queries and of keys have to be multiples of it.
      tokens_multiple_in_training: the same for a call that is differentiated.
      causal_square: a causal mask needs as many keys as queries.
    """

    causal: bool
    segments: bool
    grouped_heads: bool
    cache: bool
    softcap: bool
    dropout: bool
    float32: bool
    platforms: tuple[str, ...] = ()
    width_multiple: int = 1
    width_most: int = 0
    width_most_on_hopper: int = 0
    tokens_multiple: int = 1
    tokens_multiple_in_training: int = 1
    causal_square: bool = False


yes, no = True, False
# cuDNN's row: what jax/_src/cudnn/fused_attention_stablehlo.py checks for calls of the
# public interface; a test compares the two.
# fmt: off
TABLE: dict[str, Abilities] = {
    #                        causal segments grouped cache softcap dropout float32
    "written_out": Abilities(yes,   yes,     yes,    yes,  yes,    yes,    yes),
    "xla":         Abilities(yes,   yes,     yes,    yes,  no,     no,     yes),
    "blockwise":   Abilities(yes,   yes,     yes,    yes,  yes,    yes,    yes),
    "cudnn":       Abilities(yes,   no,      yes,    no,   no,     no,     no,
                             ("gpu",), width_multiple=8, width_most=128,
                             width_most_on_hopper=256, causal_square=yes,
                             tokens_multiple_in_training=2),
    "splash":      Abilities(yes,   yes,     yes,    no,   yes,    no,     yes,
                             ("tpu",), tokens_multiple=128),
}
# fmt: on

WHY_NOT = {  # of every "no" above
    ("xla", "softcap"): "jax.nn.dot_product_attention has no place for it",
    ("xla", "dropout"): "jax.nn.dot_product_attention has none",
    ("cudnn", "segments"): "its public interface takes no segment ids",
    ("cudnn", "cache"): "it would turn the valid pairs into a dense bias",
    ("cudnn", "softcap"): "its public interface has no place for it",
    ("cudnn", "dropout"): "its public interface has none",
    ("cudnn", "float32"): "it takes bfloat16 or float16 only",
    ("splash", "cache"): "its mask is fixed when the program is compiled",
    ("splash", "dropout"): "it has none",
}

WORDS = {
    "causal": "a causal mask",
    "segments": "packed segments",
    "grouped_heads": "grouped heads",
    "cache": "a mask of valid pairs (cache)",
    "softcap": "a soft cap on the scores",
    "dropout": "dropout of the pattern",
    "float32": "float32",
}

FASTEST_FIRST = {
    "gpu": ("cudnn", "xla", "blockwise", "written_out"),
    "tpu": ("splash", "xla", "blockwise", "written_out"),
    "cpu": ("blockwise", "xla", "written_out"),
}
EVERYWHERE = ("xla", "blockwise", "written_out")
AMPERE, HOPPER = (8, 0), (9, 0)  # compute capabilities


def choose(
    name: AttentionName,
    wants: Wants,
    platform: str,
    dtype: Any,
    head_width: int,
    tokens: int,
    keys: int | None = None,
) -> tuple[str, str]:
    """The kernel for a call, and the reason; the log says it once a choice.

    A call does not say whether it is going to be differentiated. `auto` therefore takes
    a kernel that can be; one asked for by name is refused when a gradient is taken.

    Args:
      name: the kernel asked for, or auto for the platform's fastest that can.
      wants: what the call needs.
      platform: cpu, gpu or tpu, as `jax.default_backend()` calls it.
      dtype: of queries, keys and values.
      head_width: K.
      tokens: queries T.
      keys: S; None for as many as queries.

    Raises:
      InputError: the kernel asked for cannot do it.
    """
    if target.is_counting():
        return "written_out", "FLOPs are counted"
    case = Case(wants, dtype, head_width, tokens, keys or tokens)
    if name != "auto":
        if hindrance := cannot(name, case, platform):
            raise InputError(
                f"attention={name}: {hindrance}. Give auto, or one that can: "
                f"{', '.join(_able(case, platform))}."
            )
        return announced(name, "asked for", False)
    order = FASTEST_FIRST.get(platform, EVERYWHERE)
    hindrances = {
        kernel: cannot(kernel, case, platform, training=True) for kernel in order
    }
    kernel = next(each for each in order if hindrances[each] is None)
    passed_over = [
        f"{each} cannot: {hindrances[each]}" for each in order[: order.index(kernel)]
    ]
    reason = "; ".join([f"auto on {platform}", *passed_over])
    left_fused_kernel = platform in ("gpu", "tpu") and kernel != order[0]
    return announced(kernel, reason, left_fused_kernel)


def cannot(
    kernel: str, case: Case, platform: str | None = None, training: bool = False
) -> str | None:
    """Why a kernel cannot do what a call needs; None when it can.

    Args:
      kernel: a row of the table.
      case: the call.
      platform: where it is to run; None leaves that question out.
      training: whether it is differentiated.
    """
    row = TABLE[kernel]
    if platform is not None and row.platforms and platform not in row.platforms:
        return f"it runs on {' and '.join(row.platforms)}, not on {platform}"
    wide = case.wants.float32 or jnp.dtype(case.dtype).itemsize > 2  # float64, too
    wants = case.wants._replace(float32=wide)
    for need in Wants._fields:
        if getattr(wants, need) and not getattr(row, need):
            return f"not with {WORDS[need]}: {WHY_NOT[kernel, need]}"
    return _wrong_width(row, case.head_width) or _wrong_length(row, case, training)


def _wrong_width(row: Abilities, width: int) -> str | None:
    most = row.width_most
    if row.width_most_on_hopper:
        # JAX asks the device at hand, also in a dry run for another one.
        capability = target.compute_capability()
        if capability and capability < AMPERE:
            return "it needs an Ampere GPU (compute capability 8.0) or a later one"
        most = row.width_most_on_hopper if capability and capability >= HOPPER else most
    if width % row.width_multiple:
        return f"head width {width} is no multiple of {row.width_multiple}"
    if most and width > most:
        return f"head width {width} is more than {most}"
    return None


def _wrong_length(row: Abilities, case: Case, training: bool) -> str | None:
    queries, keys = case.queries, case.keys
    if case.wants.causal and row.causal_square and queries != keys:
        # Its causal mask takes the queries for the first of the tokens, not the last.
        return (
            f"{queries} queries and {keys} keys under a causal mask: it needs as many"
        )
    for multiple, when in (
        (row.tokens_multiple, ""),
        (row.tokens_multiple_in_training if training else 1, ", as its gradient needs"),
    ):
        for tokens in (queries, keys):
            if tokens % multiple:
                return f"{tokens} tokens are no multiple of {multiple}{when}"
    return None


def _able(case: Case, platform: str) -> list[str]:
    """The kernels that can do the case on the platform."""
    return [kernel for kernel in TABLE if cannot(kernel, case, platform) is None]


@functools.cache  # so that the log says each choice once, not once a layer
def announced(kernel: str, reason: str, is_warning: bool) -> tuple[str, str]:
    """Logs a choice the first time it is made, and gives it back."""
    level = logging.WARNING if is_warning else logging.INFO
    logging.log(level, "attention: %s (%s)", kernel, reason)
    return kernel, reason
