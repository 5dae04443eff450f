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
from nnguide.transformer.decoding_kernels import fused
from nnguide.transformer.decoding_kernels.fused import FusedCache
from nnguide.transformer.dropout import dropout
from nnguide.transformer.embedding import Embedding, mask_unknown, rotation
from nnguide.transformer.norm import Normalize


def by_heads(kept: KeysValues | None, places: int) -> KeysValues | None:
    """Keys and values (L, B, T, G, K) as they are kept, (L, B, G, S, K).

    Args:
      kept: as `Transformer.read` gives them; None where blocks have no attention.
      places: S, T or more.
    """

    def spread(a: Array) -> Array:
        room = places - a.shape[2]
        return jnp.pad(a.swapaxes(2, 3), ((0, 0), (0, 0), (0, 0), (0, room), (0, 0)))

    return jax.tree.map(spread, kept)


class Cache(NamedTuple):
    """What a row's earlier tokens left for the later ones; shapes never change.

    The next token of every row is kept in the same place, so that keeping it moves
    little; the places go round. Where prompts differ in length, some hold nothing.

    Attributes:
      kept: keys and values, (L, B, G, S, K) each, or a list of L pairs where layers are
        run as a loop. None where blocks have no attention.
      filled: the places that hold a token of the row.
      place: where every row's next token is kept.
    """

    kept: KeysValues | list[KeysValues] | None
    filled: Bool[Array, "B S"]
    place: Int[Array, ""]


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
        self,
        tokens: Int[Array, "B"],
        positions: Int[Array, "B"],
        cache: Cache | FusedCache,
    ) -> tuple[Float[Array, "B V"], Cache | FusedCache]:
        """Reads one new token of each row after the cached ones.

        Args:
          tokens: the new ones; the cache must have room for them.
          positions: their places in their documents.
          cache: of the tokens before.

        Returns:
          Their logits, and the cache with them.
        """
        positions, tokens = positions[:, None], tokens[:, None]
        if isinstance(cache, FusedCache):
            x = self.embedding(tokens, positions)[:, 0]
            x, cache = fused.next_token(self.config, x, dtype_of(self.execution), cache)
            return self.unembed(self.final_norm(x)[:, None])[:, 0], cache
        place = cache.place
        here = jnp.ones(positions.shape, bool)
        filled = jax.lax.dynamic_update_slice_in_dim(cache.filled, here, place, axis=1)
        sight = Sight(self._rotation(tokens, positions), filled=filled, place=place)
        x, kept = self._through(tokens, positions, sight, None, cache.kept)
        cache = Cache(kept, filled, (place + 1) % filled.shape[1])
        return self.unembed(x)[:, 0], cache

    def read_answers(
        self,
        questions: Int[Array, "C P"],
        lengths: Int[Array, "C"],
        answers: Int[Array, "B T"],
    ) -> tuple[Float[Array, "C P D"], Float[Array, "B T D"]]:
        """The residual streams of questions and of answers behind them.

        A question is read once, in one row with all its answers.

        Args:
          questions: padded behind.
          lengths: of each.
          answers: B / C in a row to each question.
        """
        (count, places), (rows, length) = questions.shape, answers.shape
        tokens = jnp.concatenate([questions, answers.reshape(count, -1)], axis=1)
        asked = jnp.broadcast_to(jnp.arange(places)[None], questions.shape)
        after = lengths[:, None] + jnp.tile(jnp.arange(length), rows // count)[None]
        positions = jnp.concatenate([asked, after], axis=1)
        sight = Sight(
            self._rotation(tokens, positions),
            filled=asked < lengths[:, None],
            answers=after.reshape(count, rows // count, length),
        )
        x, _ = self._through(tokens, positions, sight, None)
        return x[:, :places], x[:, places:].reshape(rows, length, -1)

    def _rotation(self, tokens: Array, positions: Array | None) -> Any:
        if self.config.positions != "rotary":
            return None
        if positions is None:
            positions = jnp.arange(tokens.shape[1])[None]
        return rotation(positions, self.config.head_width)

    def _through(
        self, tokens: Array, positions: Array | None, sight: Sight, key: Key | None,
        cached: Any = None,
    ) -> tuple[Array, Any]:  # fmt: skip
        """Embeds, runs the blocks and normalizes."""
        x = self.embedding(tokens, positions)
        if key is not None and self.config.dropout:
            embedding_key, key = jax.random.split(key)
            x = dropout(x, self.config.dropout, embedding_key)
        x, kept = self.blocks(x, all_layers(self.config, cached), sight, key)
        return self.final_norm(x), kept


def initial_params(config: TransformerConfig, key: Key) -> Params:
    """Random parameters, still boxed with their logical axis names."""
    module = Transformer(config, Execution(layers="scan", attention="written_out"))
    return module.init(key, jnp.zeros((1, 1), jnp.int32))["params"]
