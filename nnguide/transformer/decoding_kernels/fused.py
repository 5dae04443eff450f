"""One new token of each row through all blocks in one call on a CPU.

`next_token.cc` says how. Of what it keeps, the places of a row's own tokens are the
same for all rows, and rows share what was kept of the same beginning.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array, Params
from nnguide.cpp.choice import Kernel
from nnguide.transformer.attention import KeysValues
from nnguide.transformer.config import TransformerConfig

FUNCTION = "nnguide_next_token"
KERNEL = Kernel(
    "fused",
    "decoding",
    "decoding",
    Path(__file__).with_name("next_token.cc"),
    (FUNCTION,),
)
ACTIVATIONS = ("gelu_exact", "gelu_tanh", "relu", "relu_squared")  # by its numbers
BLOCK = 32  # columns of a product in registers: widths are multiples of it
PLACES = 16  # places come in multiples of this: the widest vector


class FusedCache(NamedTuple):
    """What was read of each row, B of them; B / C in a row share a beginning.

    Attributes:
      weights: of each layer's block, as the kernel reads them.
      keys: of the beginnings.
      values: of the beginnings.
      lengths: how many of a beginning's places hold a token.
      own_keys: of the tokens after them.
      own_values: of the tokens after them.
      step: how many of these there are.
    """

    weights: Float[Array, "L _"]
    keys: Float[Array, "L C G K P"]
    values: Float[Array, "L C G P K"]
    lengths: Int[Array, "C"]
    own_keys: Float[Array, "L B G K N"]
    own_values: Float[Array, "L B G N K"]
    step: Int[Array, ""]


def unsuited(config: TransformerConfig) -> str:
    """Why the kernel cannot run a model; empty if it can."""
    sizes = {
        "model.embedding": (config.embedding, BLOCK),
        "model.neurons": (config.hidden, BLOCK),
        "model.embedding / model.heads": (config.head_width, PLACES),
    }
    for name, (size, unit) in sizes.items():
        if size % unit:
            return f"{name}={size} is not a multiple of {unit}"
    known = {
        "blocks": ("attention_and_mlp",),
        "positions": ("learned", "none"),
        "activation": ACTIVATIONS,
        "qk_norm": (False,),
        "attention_softcap": (0.0,),
        "causal": (True,),
    }
    for name, values in known.items():
        if getattr(config, name) not in values:
            return f"it does not know model.{name}={getattr(config, name)}"
    return ""


def begin(
    config: TransformerConfig,
    params: Params,
    dtype: Any,
    kept: KeysValues,
    lengths: Int[Array, "C"],
    copies: int,
    new_tokens: int,
) -> FusedCache:
    """The cache of rows whose beginnings were read.

    Args:
      config: of the transformer; `unsuited` says whether it can be run.
      params: of the transformer.
      dtype: to which inputs of products are rounded.
      kept: keys and values of the beginnings, (L, C, P, G, K).
      lengths: how many tokens each has; padding is behind them.
      copies: rows in a row that share each.
      new_tokens: that a row may get, N.
    """
    layers, beginnings, places, groups, width = kept.keys.shape
    room = (0, -places % PLACES)
    around = [(0, 0)] * 3
    keys = jnp.pad(kept.keys.transpose(0, 1, 3, 4, 2), [*around, (0, 0), room])
    values = jnp.pad(kept.values.swapaxes(2, 3), [*around, room, (0, 0)])
    own = new_tokens + -new_tokens % PLACES
    rows = (layers, beginnings * copies, groups)
    own_keys = jnp.zeros((*rows, width, own), jnp.float32)
    own_values = jnp.zeros((*rows, own, width), jnp.float32)
    weights = _weights(config, params["blocks"], dtype)
    none = jnp.int32(0)
    return FusedCache(weights, keys, values, lengths, own_keys, own_values, none)


def next_token(
    config: TransformerConfig, x: Float[Array, "B D"], dtype: Any, cache: FusedCache
) -> tuple[Float[Array, "B D"], FusedCache]:
    """The residual stream after the last block, and the cache with the new tokens.

    Args:
      config: of the transformer.
      x: the new tokens' vectors, one of each row.
      dtype: as in `begin`.
      cache: has room for one more token.
    """
    results = [
        jax.ShapeDtypeStruct(each.shape, jnp.float32)
        for each in (x, cache.own_keys, cache.own_values)
    ]
    weights, keys, values, lengths, own_keys, own_values, step = cache
    call = jax.ffi.ffi_call(FUNCTION, results, input_output_aliases={5: 1, 6: 2})
    x, own_keys, own_values = call(
        weights, x, keys, values, lengths, own_keys, own_values, step,
        heads=config.heads,
        neurons=config.hidden,
        activation=ACTIVATIONS.index(config.activation),
        centred=config.norm == "layer_norm",
        rounded=dtype == jnp.bfloat16,
    )  # fmt: skip
    grown = cache._replace(own_keys=own_keys, own_values=own_values, step=step + 1)
    return x, grown


def _weights(config: TransformerConfig, blocks: Any, dtype: Any) -> Float[Array, "L _"]:
    """Each layer's numbers in the order in which the kernel reads them."""
    layers = config.layers

    def norm(name: str) -> list[Array]:
        scale = blocks[name]["scale"]
        return [scale, blocks[name].get("bias", jnp.zeros_like(scale))]

    def product(*denses: Any) -> list[Array]:
        kernel = jnp.concatenate([dense["kernel"] for dense in denses], -1)
        inside, columns = kernel.shape[1:]
        if dtype == jnp.bfloat16:  # two rows, number by number, in the place of one
            pairs = kernel.astype(dtype).reshape(layers, inside // 2, 2, columns)
            kernel = jax.lax.bitcast_convert_type(pairs.swapaxes(2, 3), jnp.float32)
        bias = jnp.zeros((layers, columns), jnp.float32)
        if config.biases:
            bias = jnp.concatenate([dense["bias"] for dense in denses], -1)
        return [bias, kernel.reshape(layers, -1)]

    attention, mlp = blocks["attention"], blocks["mlp"]
    asked = (attention[name] for name in ("query", "key", "value_down"))
    parts = [
        *norm("attention_norm"),
        *product(*asked),
        *product(attention["value_up"]),
        *norm("mlp_norm"),
        *product(mlp["up_projection"]),
        *product(mlp["down_projection"]),
    ]
    return jnp.concatenate(parts, -1)
