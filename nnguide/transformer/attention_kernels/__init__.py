"""Attention by the fastest kernel that can: one signature, one table, five kernels.

`written_out` is the guide's attention and the reference; `xla` is JAX's own,
`blockwise` is for CPUs, `cudnn` for NVIDIA GPUs and `splash` for TPUs; `table` says
what each can do.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array, Key
from nnguide.config import InputError
from nnguide.transformer.attention_kernels import (
    blockwise,
    cudnn,
    splash,
    written_out,
    xla,
)
from nnguide.transformer.attention_kernels.cached import attend as attend_cached
from nnguide.transformer.attention_kernels.mask import Segments
from nnguide.transformer.attention_kernels.table import (
    TABLE,
    AttentionName,
    Case,
    Wants,
    cannot,
    choose,
)
from nnguide.transformer.attention_kernels.written_out import pattern

KERNELS: dict[str, Callable[..., Any]] = {
    "written_out": written_out.attend,
    "xla": xla.attend,
    "blockwise": blockwise.attend,
    "cudnn": cudnn.attend,
    "splash": splash.attend,
}

__all__ = [
    "TABLE",
    "AttentionName",
    "Wants",
    "attend",
    "attend_cached",
    "choose",
    "pattern",
]


def attend(
    kernel: str,
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *,
    causal: bool = True,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
    softcap: float = 0.0,
    dropout: float = 0.0,
    dropout_key: Key | None = None,
) -> Float[Array, "B T H K"]:
    """softmax(Q K^T / sqrt(K)) V: what each token takes from the tokens it may see.

    A query that may see no key gets 0.

    Args:
      kernel: as `choose` gives it.
      query: what each token asks; head h uses the keys' head h // (H / G).
      key: what each token answers.
      value: what each token gives when it is found relevant.
      causal: the queries are the last T of the S tokens and see none that come later.
      segments: the documents of the queries (B, T) and keys (B, S) where several share
        a row; a query sees its own only.
      valid: further allowed pairs, for instance with the keys that exist.
      softcap: c > 0 squashes the scores to (-c, c) before the mask; 0 does not.
      dropout: share of the pattern to drop.
      dropout_key: decides which; needed when dropout > 0.

    Raises:
      InputError: the kernel is unknown or cannot do it, or is differentiated and cannot
        be; the dropout key is missing.
    """
    if dropout and dropout_key is None:
        raise InputError(f"dropout={dropout}: no dropout_key. Give a random key.")
    lengths = query.shape[1], key.shape[1]
    wants = Wants(
        causal=causal,
        segments=segments is not None,
        grouped_heads=query.shape[2] != key.shape[2],
        cache=valid is not None,
        softcap=softcap > 0,
        dropout=dropout > 0,
        float32=query.dtype == jnp.float32,
    )
    check(kernel, case := Case(wants, query.dtype, query.shape[3], *lengths))
    asked: dict[str, Any] = {"causal": causal}  # a kernel takes what it can do
    if segments is not None:
        asked["segments"] = segments
    if valid is not None:
        asked["valid"] = valid
    if softcap:
        asked["softcap"] = softcap
    if dropout:
        asked |= {"dropout": dropout, "dropout_key": dropout_key}
    call = functools.partial(KERNELS[kernel], **asked)
    if why := cannot(kernel, case, training=True):
        call = _refusing_gradients(call, f"attention={kernel}: {why}. Give auto.")
    return call(query, key, value)


def _refusing_gradients(call: Callable[..., Any], reason: str) -> Callable[..., Any]:
    """The function as it is, with an InputError where it is differentiated."""

    def refuse(*arguments: Any) -> Any:
        raise InputError(reason)

    guarded = jax.custom_vjp(call)
    guarded.defvjp(refuse, refuse)
    return guarded


def check(kernel: str, case: Case) -> None:
    """Checks that a kernel can do what a call needs, wherever it runs.

    Raises:
      InputError: it cannot.
    """
    if kernel not in TABLE:
        raise InputError(
            f"attention={kernel}: no such kernel. Give one of {', '.join(TABLE)}."
        )
    if why := cannot(kernel, case):
        raise InputError(f"attention={kernel}: {why}. Give auto.")
