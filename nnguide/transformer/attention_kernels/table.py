"""The capabilities of each attention kernel, and the selection of one for a call.

A kernel selected by name is refused, with the reason, if it does not support the call.
`auto` selects the platform's fastest supported kernel and logs the choice.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from absl import logging

from nnguide import target
from nnguide.config import InputError

AttentionName = Literal["auto", "written_out", "xla", "blockwise", "cudnn", "splash"]


class Wants(NamedTuple):
    """The features that a call requires of a kernel.

    Attributes:
      causal: a causal mask.
      segments: segment ids; attention is masked between the documents of a row.
      grouped_heads: grouped-query attention: fewer key/value heads than query heads.
      cache: an explicit mask of valid query-key pairs, as a KV cache needs.
      softcap: soft-capped logits, c tanh(logit / c).
      dropout: dropout of the attention weights.
      float32: float32 inputs.
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
      wants: the required features.
      dtype: the dtype of queries, keys and values.
      head_width: K, the size of a head.
      queries: T, the number of queries.
      keys: S, the number of keys.
    """

    wants: Wants
    dtype: Any
    head_width: int
    queries: int
    keys: int


class Abilities(NamedTuple):
    """What a kernel supports: features, platforms and sizes.

    Attributes:
      causal: see `Wants`.
      segments: see `Wants`.
      grouped_heads: see `Wants`.
      cache: see `Wants`.
      softcap: see `Wants`.
      dropout: see `Wants`.
      float32: see `Wants`.
      platforms: the supported platforms; empty for all.
      width_multiple: the head width must be a multiple of it.
      width_most: the largest head width; 0 for any.
      width_most_on_hopper: the largest head width on Hopper GPUs and later ones.
      tokens_multiple: the numbers of queries and keys must be multiples of it.
      tokens_multiple_in_training: the same, for a call that is differentiated.
      causal_square: a causal mask requires as many keys as queries.
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
# cuDNN's row follows the checks of jax/_src/cudnn/fused_attention_stablehlo.py on calls
# by the public interface; a test compares the two.
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

WHY_NOT = {  # the reason for every "no" above
    ("xla", "softcap"): "jax.nn.dot_product_attention has no such argument",
    ("xla", "dropout"): "jax.nn.dot_product_attention has none",
    ("cudnn", "segments"): "its public interface takes no segment ids",
    ("cudnn", "cache"): "it would turn the valid pairs into a dense bias",
    ("cudnn", "softcap"): "its public interface has no such argument",
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
    "softcap": "soft-capped logits",
    "dropout": "dropout of attention weights",
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
    """Selects the kernel for a call, and logs each choice once.

    It is unknown here whether the call will be differentiated. `auto` therefore selects
    a kernel that supports it; a kernel selected by name raises when it is
    differentiated.

    Args:
      name: a kernel, or auto for the platform's fastest supported kernel.
      wants: the required features.
      platform: cpu, gpu or tpu, as in `jax.default_backend()`.
      dtype: the dtype of queries, keys and values.
      head_width: K, the size of a head.
      tokens: T, the number of queries.
      keys: S, the number of keys; None for as many as queries.

    Returns:
      The kernel's name and the reason for the choice.

    Raises:
      InputError: the selected kernel does not support the call.
    """
    if target.is_counting():
        return "written_out", "FLOPs are counted"
    case = Case(wants, dtype, head_width, tokens, keys or tokens)
    if name != "auto":
        if hindrance := cannot(name, case, platform):
            raise InputError(
                f"attention={name}: {hindrance}. Give auto, or one of: "
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
    """Why a kernel does not support a call; None if it does.

    Args:
      kernel: the kernel's name, a row of the table.
      case: the call.
      platform: the platform of the call; None skips this check.
      training: whether the call is differentiated.
    """
    row = TABLE[kernel]
    if platform is not None and row.platforms and platform not in row.platforms:
        return f"it runs on {' and '.join(row.platforms)}, not on {platform}"
    wide = case.wants.float32 or jnp.dtype(case.dtype).itemsize > 2  # or float64
    wants = case.wants._replace(float32=wide)
    for need in Wants._fields:
        if getattr(wants, need) and not getattr(row, need):
            return f"not with {WORDS[need]}: {WHY_NOT[kernel, need]}"
    return _wrong_width(row, case.head_width) or _wrong_length(row, case, training)


def _wrong_width(row: Abilities, width: int) -> str | None:
    most = row.width_most
    if row.width_most_on_hopper:
        # JAX checks the local device, even in a dry run for another platform.
        capability = target.compute_capability()
        if capability and capability < AMPERE:
            return "it needs an Ampere GPU (compute capability 8.0) or a later one"
        most = row.width_most_on_hopper if capability and capability >= HOPPER else most
    if width % row.width_multiple:
        return f"head width {width} is not a multiple of {row.width_multiple}"
    if most and width > most:
        return f"head width {width} is more than {most}"
    return None


def _wrong_length(row: Abilities, case: Case, training: bool) -> str | None:
    queries, keys = case.queries, case.keys
    if case.wants.causal and row.causal_square and queries != keys:
        # Its causal mask aligns the queries with the first keys, not with the last.
        return f"{queries} queries and {keys} keys under a causal mask: must be equal"
    for multiple, when in (
        (row.tokens_multiple, ""),
        (row.tokens_multiple_in_training if training else 1, ", as its gradient needs"),
    ):
        for tokens in (queries, keys):
            if tokens % multiple:
                return f"{tokens} tokens are not a multiple of {multiple}{when}"
    return None


def _able(case: Case, platform: str) -> list[str]:
    """The kernels that support a call on a platform."""
    return [kernel for kernel in TABLE if cannot(kernel, case, platform) is None]


@functools.cache  # logs each choice once, not once per layer
def announced(kernel: str, reason: str, is_warning: bool) -> tuple[str, str]:
    """Logs a choice the first time it is made, and returns it."""
    level = logging.WARNING if is_warning else logging.INFO
    logging.log(level, "attention: %s (%s)", kernel, reason)
    return kernel, reason
