"""A whole block in one call on a CPU, and its gradient in another.

`block.cc` says how. The stream and the gradients differ from XLA's by rounding. There
is no forward-mode or second derivative; gradients of all parameters are computed,
wanted or not. The memory in which gradients are made is kept from call to call.
"""

import functools
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Float, Int

from nnguide.array_types import Array, Params
from nnguide.cpp.choice import Kernel
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.decoding_kernels import fused
from nnguide.transformer.decoding_kernels.fused import ACTIVATIONS, BLOCK

FORWARD, BACKWARD = "nnguide_block", "nnguide_block_backward"
KERNEL = Kernel(
    "fused",
    "blocks",
    "blocks",
    Path(__file__).with_name("block.cc"),
    (FORWARD, BACKWARD),
)
FEW_TOKENS = 32  # for each thread; with fewer some of them have nothing to do
WIDE = 768  # from here on XLA is as fast


class Rows(NamedTuple):
    """What stands in a row of tokens, the same in all rows.

    Attributes:
      places: of a question, or of a text without answers.
      answers: to it, all of one length, which follow one another.
    """

    places: int
    answers: int = 0


def unsuited(config: TransformerConfig) -> str:
    """Why the kernel cannot run a model; empty if it can."""
    shared = config.groups * config.head_width
    if shared % BLOCK:
        return f"keys of all heads are {shared} numbers, not a multiple of {BLOCK}"
    return fused.unsuited(config)


def too_little(config: TransformerConfig, tokens: int) -> str:
    """Why XLA is as fast where both can be had; empty if it is not.

    Args:
      config: of the transformer.
      tokens: of all rows.
    """
    threads = _threads()
    if tokens < FEW_TOKENS * threads:
        return f"fewer than {FEW_TOKENS} tokens for each of {threads} threads"
    if config.embedding >= WIDE:
        return f"XLA is as fast for {config.embedding} numbers"
    return ""


def _threads() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parts_of(config: TransformerConfig, layer: Params) -> list[Float[Array, "..."]]:
    """A layer's parameters in the order in which the kernel reads them.

    Raises:
      ValueError: one has not the shape that the config says; C++ would not see it.
    """
    attention, mlp, wide = layer["attention"], layer["mlp"], config.embedding
    few, neurons = config.groups * config.head_width, config.hidden
    parts = []

    def add(name: str, node: Any, first: str, shape: tuple[int, ...]) -> None:
        is_shifted = first == "kernel" or config.norm == "layer_norm"
        wanted = {first: shape}
        if config.biases and is_shifted:
            wanted["bias"] = shape[-1:]
        for each, size in wanted.items():
            numbers = jnp.asarray(node[each], jnp.float32)
            if numbers.shape != size:
                message = f"{name}/{each} is {numbers.shape}, the config says {size}"
                raise ValueError(message)
            parts.append(numbers)
        if "bias" not in wanted:
            parts.append(jnp.zeros(shape[-1:], jnp.float32))

    add("attention_norm", layer["attention_norm"], "scale", (wide,))
    for name, shape in (
        ("query", (wide, wide)),
        ("key", (wide, few)),
        ("value_down", (wide, few)),
        ("value_up", (wide, wide)),
    ):
        add(name, attention[name], "kernel", shape)
    add("mlp_norm", layer["mlp_norm"], "scale", (wide,))
    add("up_projection", mlp["up_projection"], "kernel", (wide, neurons))
    add("down_projection", mlp["down_projection"], "kernel", (neurons, wide))
    return parts


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def block(
    config: TransformerConfig,
    rows: Rows,
    x: Float[Array, "N D"],
    lengths: Int[Array, "C"],
    parts: list[Float[Array, "..."]],
) -> tuple[Float[Array, "N D"], Float[Array, "N A"]]:
    """The stream after a block, and its queries, keys and values side by side.

    A token of a question or text sees those before it in its row; one of an answer
    sees its question, and those before it in the answer.

    Args:
      config: of the transformer; `unsuited` says whether it can be run.
      rows: what stands in each of the C rows.
      x: the stream before the block, of all tokens of the first row, then of the next.
      lengths: how many of a question's places hold a token that answers see.
      parts: as `parts_of` gives them.
    """
    x, asked = _call(FORWARD, config, rows, (x, lengths, *parts), _results(config, x))
    return x, asked


def _forward(
    config: TransformerConfig, rows: Rows, x: Any, lengths: Any, parts: Any
) -> tuple[Any, Any]:
    x, lengths, parts = jax.tree.map(lambda given: given.value, (x, lengths, parts))
    kept = [config.embedding, config.heads, config.embedding, config.hidden]
    results = _results(config, x, *kept)
    y, asked, *rest = _call(FORWARD, config, rows, (x, lengths, *parts), results)
    return (y, asked), (x, lengths, parts, [asked, *rest])


def _backward(config: TransformerConfig, rows: Rows, saved: Any, given: Any) -> Any:
    x, lengths, parts, kept = saved
    # Where nobody takes a gradient of keys and values there are no zeros to be added.
    dy, d_asked = (
        jnp.zeros((0, 0), x.dtype) if isinstance(each, SymbolicZero) else each
        for each in given
    )
    dy = dy if dy.size else jnp.zeros_like(x)
    results = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in (x, *parts)]
    numbers = (x, lengths, dy, d_asked, *kept, *parts)
    dx, *gradients = _call(BACKWARD, config, rows, numbers, results)
    return dx, None, gradients


block.defvjp(_forward, _backward, symbolic_zeros=True)


def _results(config: TransformerConfig, x: Array, *more: int) -> list[Any]:
    """The stream, queries, keys and values, and what else is kept of each token."""
    asked = (config.heads + 2 * config.groups) * config.head_width
    sizes = (x.shape[1], asked, *more)
    return [jax.ShapeDtypeStruct((len(x), size), jnp.float32) for size in sizes]


def _call(
    function: str,
    config: TransformerConfig,
    rows: Rows,
    numbers: tuple[Array, ...],
    results: list[Any],
) -> list[Array]:
    call = jax.ffi.ffi_call(function, results, vmap_method="sequential")
    return list(
        call(
            *numbers,
            places=rows.places,
            answers=rows.answers,
            heads=config.heads,
            groups=config.groups,
            neurons=config.hidden,
            activation=ACTIVATIONS.index(config.activation),
            centred=config.norm == "layer_norm",
        )
    )
