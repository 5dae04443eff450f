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
      tokens_multiple: the numbers of queries and of keys have to be multiples of it.
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
    tokens_multiple: int = 1


yes, no = True, False
# fmt: off
TABLE: dict[str, Abilities] = {
    #                        causal segments grouped cache softcap dropout float32
    "written_out": Abilities(yes,   yes,     yes,    yes,  yes,    yes,    yes),
    "xla":         Abilities(yes,   yes,     yes,    yes,  no,     no,     yes),
    "blockwise":   Abilities(yes,   yes,     yes,    yes,  yes,    yes,    yes),
    "cudnn":       Abilities(yes,   no,      yes,    no,   no,     no,     no,
                             ("gpu",), width_multiple=8, width_most=128),
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


def choose(
    name: AttentionName,
    wants: Wants,
    platform: str,
    dtype: Any,
    head_width: int,
    tokens: int,
) -> tuple[str, str]:
    """The kernel for a call, and the reason; the log says it once a choice.

    Args:
      name: the kernel asked for, or auto for the platform's fastest that can.
      wants: what the call needs.
      platform: cpu, gpu or tpu, as `jax.default_backend()` calls it.
      dtype: of queries, keys and values.
      head_width: K.
      tokens: queries T.

    Raises:
      InputError: the kernel asked for cannot do it.
    """
    if target.is_counting():
        return "written_out", "FLOPs are counted"
    case = (wants, dtype, head_width, tokens)
    if name != "auto":
        if hindrance := cannot(name, *case, platform):
            raise InputError(
                f"attention={name}: {hindrance}. Give auto, or one that can: "
                f"{', '.join(_able(case, platform))}."
            )
        return announced(name, "asked for", False)
    order = FASTEST_FIRST.get(platform, EVERYWHERE)
    hindrances = {kernel: cannot(kernel, *case, platform) for kernel in order}
    kernel = next(each for each in order if hindrances[each] is None)
    passed_over = [
        f"{each} cannot: {hindrances[each]}" for each in order[: order.index(kernel)]
    ]
    reason = "; ".join([f"auto on {platform}", *passed_over])
    left_fused_kernel = platform in ("gpu", "tpu") and kernel != order[0]
    return announced(kernel, reason, left_fused_kernel)


def cannot(
    kernel: str,
    wants: Wants,
    dtype: Any,
    head_width: int,
    tokens: int,
    platform: str | None = None,
) -> str | None:
    """Why a kernel cannot do what a call needs; None when it can.

    Args:
      kernel: a row of the table.
      wants: what the call needs.
      dtype: of queries, keys and values.
      head_width: K.
      tokens: queries T.
      platform: where it is to run; None leaves that question out.
    """
    row = TABLE[kernel]
    if platform is not None and row.platforms and platform not in row.platforms:
        return f"it runs on {' and '.join(row.platforms)}, not on {platform}"
    wants = wants._replace(float32=wants.float32 or dtype == jnp.float32)
    for need in Wants._fields:
        if getattr(wants, need) and not getattr(row, need):
            return f"not with {WORDS[need]}: {WHY_NOT[kernel, need]}"
    return _wrong_size(row, head_width, tokens)


def _wrong_size(row: Abilities, head_width: int, tokens: int) -> str | None:
    if head_width % row.width_multiple:
        return f"head width {head_width} is no multiple of {row.width_multiple}"
    if row.width_most and head_width > row.width_most:
        return f"head width {head_width} is more than {row.width_most}"
    if tokens % row.tokens_multiple:
        return f"{tokens} tokens are no multiple of {row.tokens_multiple}"
    return None


def _able(case: tuple[Wants, Any, int, int], platform: str) -> list[str]:
    """The kernels that can do the case on the platform."""
    return [kernel for kernel in TABLE if cannot(kernel, *case, platform) is None]


@functools.cache  # so that the log says each choice once, not once a layer
def announced(kernel: str, reason: str, is_warning: bool) -> tuple[str, str]:
    """Logs a choice the first time it is made, and gives it back."""
    level = logging.WARNING if is_warning else logging.INFO
    logging.log(level, "attention: %s (%s)", kernel, reason)
    return kernel, reason
