"""The whole transformer: embedding, blocks, norm, unembedding.

`Transformer(config, execution).apply({"params": params}, tokens)` gives the logits of
the next token at every place. `read` and `unembed` are its two halves; `go_on` reads
new tokens after those whose keys and values a `Cache` holds.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs"; GPT-2: Radford et al. 2019.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.transformer.attention import KeysValues, Sight, dtype_of
from nnguide.transformer.blocks import all_layers, stacked_blocks
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.dropout import dropout
from nnguide.transformer.embedding import Embedding, mask_unknown, rotation
from nnguide.transformer.norm import Normalize


class Cache(NamedTuple):
    """What a row's earlier tokens left for the later ones; shapes never change.

    Attributes:
      kept: keys and values, (L, B, S, G, K) each; S is the longest that fits. None
        where blocks have no attention.
      lengths: how many places of each row are filled.
    """

    kept: KeysValues | None
    lengths: Int[Array, "B"]


class Transformer(nn.Module):
    """A decoder.

    Attributes:
      config: what it is.
      execution: how it is computed.
      known_tokens: ids at or past it are padding and never come out; 0 means none is.
    """

    config: TransformerConfig
    execution: Execution = Execution()
    known_tokens: int = 0

    def setup(self) -> None:
        """Makes the parts."""
        self.embedding = Embedding(self.config, dtype_of(self.execution))
        self.blocks: Any = stacked_blocks(
            self.config, self.execution, self.is_initializing()
        )
        self.final_norm = Normalize(self.config.norm, self.config.biases)

    def __call__(
        self,
        tokens: Int[Array, "B T"],
        *,
        positions: Int[Array, "B T"] | None = None,
        segments: Int[Array, "B T"] | None = None,
        key: Key | None = None,
    ) -> Float[Array, "B T V"]:
        """The logits of each next token, float32.

        Args:
          tokens: ids below V; T is at most the context.
          positions: places in their documents; None counts from 0 in every row.
          segments: the document of each token, where rows hold several.
          key: for dropout; None switches it off.
        """
        return self.unembed(self.read(tokens, positions, segments, key)[0])

    def read(
        self,
        tokens: Int[Array, "B T"],
        positions: Int[Array, "B T"] | None = None,
        segments: Int[Array, "B T"] | None = None,
        key: Key | None = None,
    ) -> tuple[Float[Array, "B T D"], KeysValues | None]:
        """The residual stream after the last norm, and every layer's keys and values.

        Args:
          tokens: as in a call of the module, like all that follows.
          positions: None counts from 0.
          segments: None is one document a row.
          key: None switches dropout off.
        """
        sight = Sight(self._rotation(tokens, positions), segments)
        return self._through(tokens, positions, sight, key)

    def unembed(self, x: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        """The logits of a residual stream that the last norm left."""
        return mask_unknown(self.embedding.unembed(x), self.known_tokens)

    def go_on(
        self, tokens: Int[Array, "B T"], cache: Cache
    ) -> tuple[Float[Array, "B T V"], Cache]:
        """Reads new tokens after the cached ones.

        Args:
          tokens: the new ones; the cache must have room for them.
          cache: of the tokens before.

        Returns:
          Their logits, and the cache with them.
        """
        count = tokens.shape[1]
        positions = cache.lengths[:, None] + jnp.arange(count)[None]
        valid = None
        if cache.kept is not None:
            valid = _seen_by_new(cache.lengths, cache.kept.keys.shape[2], count)
        sight = Sight(self._rotation(tokens, positions), None, valid)
        x, new = self._through(tokens, positions, sight, None, cache.kept)
        kept = jax.tree.map(lambda old, new: _write(old, new, cache), cache.kept, new)
        return self.unembed(x), Cache(kept, cache.lengths + count)

    def _rotation(self, tokens: Array, positions: Array | None) -> Any:
        if self.config.positions != "rotary":
            return None
        if positions is None:
            positions = jnp.arange(tokens.shape[1])[None]
        return rotation(positions, self.config.head_width)

    def _through(
        self, tokens: Array, positions: Array | None, sight: Sight, key: Key | None,
        cached: KeysValues | None = None,
    ) -> tuple[Array, KeysValues | None]:  # fmt: skip
        """Embeds, runs the blocks and normalizes."""
        x = self.embedding(tokens, positions)
        if key is not None and self.config.dropout:
            embedding_key, key = jax.random.split(key)
            x = dropout(x, self.config.dropout, embedding_key)
        x, kept = self.blocks(x, all_layers(self.config, cached), sight, key)
        return self.final_norm(x), kept


def _seen_by_new(
    lengths: Int[Array, "B"], room: int, count: int
) -> Bool[Array, "B T S"]:
    """Which of a cache's `room` places and `count` new tokens each new one sees."""
    batch = len(lengths)
    filled = jnp.arange(room)[None, None] < lengths[:, None, None]
    earlier = jnp.broadcast_to(filled, (batch, count, room))
    among_new = jnp.tril(jnp.ones((count, count), bool))[None]
    among_new = jnp.broadcast_to(among_new, (batch, count, count))
    return jnp.concatenate([earlier, among_new], axis=-1)


def _write(old: Array, new: Array, cache: Cache) -> Array:
    """Puts new tokens' (L, B, T, G, K) behind those each row has."""

    def row(old: Array, new: Array, length: Array) -> Array:
        return jax.lax.dynamic_update_slice_in_dim(
            old, new.astype(old.dtype), length, axis=1
        )

    return jax.vmap(row, in_axes=(1, 1, 0), out_axes=1)(old, new, cache.lengths)


def initial_params(config: TransformerConfig, key: Key) -> Params:
    """Random parameters, still boxed with their logical axis names."""
    module = Transformer(config, Execution(layers="scan", attention="written_out"))
    return module.init(key, jnp.zeros((1, 1), jnp.int32))["params"]
