"""Blocks on the residual stream: one, and L of them over stacked parameters.

Each parameter of the blocks is one array with a leading layer axis, whether a compiled
loop, copies of the block or a Python loop runs over it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.spmd import with_logical_constraint
from jaxtyping import Float

from nnguide import target
from nnguide.array_types import Array, Key
from nnguide.cpp import choice
from nnguide.transformer.attention import Attention, KeysValues, Sight, dtype_of
from nnguide.transformer.block_kernels import whole_block
from nnguide.transformer.block_kernels.whole_block import Rows
from nnguide.transformer.config import Execution, Remat, TransformerConfig
from nnguide.transformer.dropout import dropout
from nnguide.transformer.mlp_block import MlpBlock
from nnguide.transformer.norm import Normalize

STREAM = ("batch", "tokens", "embedding")  # logical names of the residual stream

_POLICIES: dict[Remat, Callable[..., Any] | None] = {
    "products": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "everything": None,
}


class Layer(NamedTuple):
    """What one layer is given of its own.

    Attributes:
      number: 0 .. L - 1.
      cached: keys and values of the tokens before the new ones. Those of all layers
        are stacked, or a list where layers are run as a loop: a slice would be a copy.
    """

    number: Any
    cached: Any


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    config: TransformerConfig
    execution: Execution

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], layer: Layer, sight: Sight, key: Key | None
    ) -> tuple[Float[Array, "B T D"], KeysValues | None]:
        """The stream after this block, and the new tokens' keys and values.

        Args:
          x: the stream before it.
          layer: what is this layer's own.
          sight: what tokens may see.
          key: for dropout; None switches it off.
        """
        if self._is_fused(x, layer, sight, key):
            return self._fused(x, sight)
        config, new = self.config, None
        keys = (None, None, None)
        if key is not None:
            keys = tuple(jax.random.split(jax.random.fold_in(key, layer.number), 3))
        if config.blocks != "mlp":
            normed = self._normalize("attention_norm", x)
            attention = Attention(config, self.execution, name="attention")
            added, new = attention(normed, sight, keys[0], layer.cached)
            x = x + _drop(added, config.dropout, keys[1])
            self.sow("intermediates", "after_attention", x)
        if config.blocks != "attention":
            normed = self._normalize("mlp_norm", x)
            mlp = MlpBlock(config, dtype_of(self.execution), name="mlp")
            x = x + _drop(mlp(normed), config.dropout, keys[2])
            self.sow("intermediates", "after_mlp", x)
        # On a mesh the stream is split by rows alone, whatever splits the parameters.
        return with_logical_constraint(x, STREAM), new

    def _is_fused(self, x: Array, layer: Layer, sight: Sight, key: Key | None) -> bool:
        """Whether our kernel does all of it; the log says why or why not."""
        config, execution = self.config, self.execution
        if self.is_initializing() or layer.cached is not None:
            return False
        hindrances = {
            "there are no tokens": x.size == 0,
            f"the stream is {x.dtype}": x.dtype != jnp.float32,
            f"attention={execution.attention} is asked for": (
                execution.attention != "auto"
            ),
            f"remat={execution.remat} is asked for": execution.remat != "none",
            "layers=loop is asked for": execution.layers == "loop",
            "its products are in float32": dtype_of(execution) != jnp.float32,
            "it drops nothing out": key is not None and config.dropout > 0,
            "rows hold several documents": sight.segments is not None,
            "what happens inside is watched": self.is_mutable_collection(
                "intermediates"
            ),
        }
        unsuited = whole_block.unsuited(config) or next(
            (reason for reason, holds in hindrances.items() if holds), ""
        )
        if execution.blocks == "auto" and not unsuited:
            unsuited = whole_block.too_little(config, x.shape[0] * x.shape[1])
        name = choice.chosen(whole_block.KERNEL, execution.blocks, unsuited)
        return name == whole_block.KERNEL.name

    def _fused(self, x: Array, sight: Sight) -> tuple[Array, KeysValues]:
        """The whole block by our kernel."""
        config, (batch, tokens, width) = self.config, x.shape
        rows, lengths = Rows(tokens), jnp.full(batch, tokens, jnp.int32)
        if sight.filled is not None and sight.answers is not None:
            rows = Rows(sight.filled.shape[1], sight.answers.shape[1])
            lengths = sight.filled.sum(-1)
        parts = whole_block.parts_of(config, nn.unbox(self.variables["params"]))
        found: Any = whole_block.block(
            config, rows, x.reshape(-1, width), lengths.astype(jnp.int32), parts
        )
        y, asked = found
        heads = asked.reshape(batch, tokens, -1, config.head_width)[
            :, :, config.heads :
        ]
        keys, values = jnp.split(heads, 2, axis=2)
        return y.reshape(x.shape), KeysValues(keys, values)

    def _normalize(self, name: str, x: Array) -> Array:
        return Normalize(self.config.norm, self.config.biases, name=name)(x)


def _drop(x: Array, rate: float, key: Key | None) -> Array:
    return x if key is None or not rate else dropout(x, rate, key)


class _OneByOne(nn.Module):
    """The blocks as modules layer_0, layer_1, ..., run by Python."""

    config: TransformerConfig
    execution: Execution

    @nn.compact
    def __call__(
        self, x: Array, layers: Layer, sight: Sight, key: Key | None
    ) -> tuple[Array, Any]:
        """What the scanned blocks return."""
        kept, cached = [], layers.cached
        apart = isinstance(cached, list)
        for number in range(self.config.layers):
            own = cached[number] if apart else _slice(cached, number)
            layer = Layer(number, own)
            block = _block(self.execution)(
                self.config, self.execution, name=f"layer_{number}"
            )
            x, new = block(x, layer, sight, key)
            kept.append(new)
        return x, kept if apart else jax.tree.map(lambda *a: jnp.stack(a), *kept)


def stacked_blocks(
    config: TransformerConfig, execution: Execution, initializing: bool
) -> nn.Module:
    """All L blocks as one module, called with `all_layers`, sight and key.

    Args:
      config: of the transformer.
      execution: its `layers` says how the blocks are run.
      initializing: whether parameters are being made.
    """
    how = execution.layers
    if how == "auto":
        how = "unroll" if target.platform() == "cpu" else "scan"
    if how == "loop":
        looped = nn.map_variables(
            _OneByOne, "params", _unstack, _stack, init=initializing
        )
        return looped(config, execution)
    scan: Any = nn.scan  # whose annotations forget that in_axes may be a tuple
    scanned = scan(
        _block(execution),
        variable_axes={"params": 0, "intermediates": 0},
        split_rngs={"params": True},
        in_axes=(0, nn.broadcast, nn.broadcast),
        length=config.layers,
        unroll=config.layers if how == "unroll" else 1,
        metadata_params={nn.PARTITION_NAME: "layers"},
    )
    return scanned(config, execution)


def all_layers(config: TransformerConfig, cached: Any = None) -> Layer:
    """The own things of all layers."""
    return Layer(jnp.arange(config.layers), cached)


def _block(execution: Execution) -> Any:
    if execution.remat == "none":
        return Block
    return nn.remat(Block, policy=_POLICIES[execution.remat], prevent_cse=False)


def _unstack(variables: Any) -> Any:
    """Stacked parameters as layer_0, layer_1, ..."""

    def split(params: Any) -> Any:
        layers = jax.tree.leaves(params)[0].shape[0]
        return {f"layer_{n}": _slice(params, n) for n in range(layers)}

    return jax.tree.map(split, variables, is_leaf=lambda node: node is not variables)


def _stack(variables: Any) -> Any:
    """The inverse of `_unstack`."""

    def join(params: Any) -> Any:
        layers = [params[f"layer_{n}"] for n in range(len(params))]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)

    return jax.tree.map(join, variables, is_leaf=lambda node: node is not variables)


def _slice(tree: Any, number: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[number], tree)
