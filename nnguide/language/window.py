"""What a generator has read of each row: the last tokens, at most a context of them.

A row that has filled the context keeps the last half of it. Those tokens are then at
other places, so that their keys and values change and the half has to be read again.

`Window` reads all of it for each new token; `CachedWindow` reads each token once and
keeps its keys and values. Both give the same logits.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Params
from nnguide.transformer.model import Cache, Transformer


class Memory(NamedTuple):
    """What each row has read and not dropped.

    Attributes:
      tokens: those in the first `cache.lengths` places, padding behind.
      cache: their keys and values (None where none are kept), and their number.
    """

    tokens: Int[Array, "B S"]
    cache: Cache


class Window:
    """Reads the whole window for each token.

    Attributes:
      module: the transformer.
      context: how many tokens a window holds, S.
      half: how many stay when it is full.
    """

    def __init__(self, module: Transformer) -> None:
        self.module, self.context = module, module.config.context
        self.half = self.context // 2

    def begin(
        self, params: Params, prompts: Int[Array, "B P"], lengths: Int[Array, "B"]
    ) -> tuple[Memory, Float[Array, "B V"]]:
        """Reads the prompts; gives the logits of what follows them."""
        tokens = jnp.pad(prompts, ((0, 0), (0, self.context - prompts.shape[1])))
        logits, kept = self._read(params, prompts, lengths)
        return Memory(tokens, Cache(self._spread(kept), lengths)), logits

    def go_on(
        self,
        params: Params,
        memory: Memory,
        latest: Int[Array, "B"],
        going: Bool[Array, "B"],
    ) -> tuple[Memory, Float[Array, "B V"]]:
        """Reads one more token of each row; gives the logits of what follows it.

        Args:
          params: of the transformer.
          memory: has room in the rows that are going.
          latest: the tokens.
          going: rows that have not ended; the others' memory and logits mean nothing.
        """
        tokens, lengths = _append(memory, latest), memory.cache.lengths
        logits, _ = self._read(params, tokens, lengths + 1)
        return Memory(tokens, Cache(None, lengths + going)), logits

    def full(self, memory: Memory, going: Bool[Array, "B"]) -> Bool[Array, "B"]:
        """The rows that are going and have no room for one more token."""
        return going & (memory.cache.lengths == self.context)

    def make_room(
        self, params: Params, memory: Memory, full: Bool[Array, "B"]
    ) -> Memory:
        """Leaves the last half of each full row, at its beginning."""
        del params  # nothing is read
        lengths = jnp.where(full, self.half, memory.cache.lengths)
        moved = jnp.roll(memory.tokens, self.half - self.context, axis=1)
        tokens = jnp.where(full[:, None], moved, memory.tokens)
        return Memory(tokens, Cache(memory.cache.kept, lengths))

    def _spread(self, kept: Any) -> Any:
        del kept
        return None

    def _read(self, params: Params, tokens: Array, lengths: Array) -> tuple[Array, Any]:
        """The logits after each row's last token, and all keys and values."""
        segments = None
        if not self.module.config.causal:  # the mask does not hide the padding then
            places = jnp.arange(tokens.shape[1])[None]
            segments = (places < lengths[:, None]).astype(jnp.int32)
        variables = {"params": params}
        x, kept = self.module.apply(variables, tokens, None, segments, method="read")
        last = jnp.take_along_axis(x, lengths[:, None, None] - 1, axis=1)
        logits: Any = self.module.apply(variables, last, method="unembed")
        return logits[:, 0], kept


class CachedWindow(Window):
    """Reads each token once, and half a window again where one is full."""

    def go_on(
        self,
        params: Params,
        memory: Memory,
        latest: Int[Array, "B"],
        going: Bool[Array, "B"],
    ) -> tuple[Memory, Float[Array, "B V"]]:
        """As `Window.go_on`, from the new token alone."""
        read: Any = self.module.apply(
            {"params": params}, latest[:, None], memory.cache, method="go_on"
        )
        (logits, cache), tokens = read, _append(memory, latest)
        cache = Cache(cache.kept, memory.cache.lengths + going)
        return Memory(tokens, cache), logits[:, 0]

    def make_room(
        self, params: Params, memory: Memory, full: Bool[Array, "B"]
    ) -> Memory:
        """As `Window.make_room`; reads the half that stays."""
        kept = memory.cache.kept
        moved = super().make_room(params, memory, full)
        half = moved.tokens[:, : max(self.half, 1)]
        # In rows that are not full the half may be padding; they keep what they have.
        _, fresh = self._read(params, half, jnp.full_like(full, self.half, jnp.int32))
        chosen = full[None, :, None, None, None]
        kept = jax.tree.map(
            lambda new, old: jnp.where(chosen, new, old), self._spread(fresh), kept
        )
        return Memory(moved.tokens, Cache(kept, moved.cache.lengths))

    def _spread(self, kept: Any) -> Any:
        """Gives keys and values (L, B, T, G, K) room for a whole context."""

        def spread(a: Array) -> Array:
            room = self.context - a.shape[2]
            return jnp.pad(a, ((0, 0), (0, 0), (0, room), (0, 0), (0, 0)))

        return jax.tree.map(spread, kept)


def _append(memory: Memory, latest: Array) -> Array:
    """The tokens with each row's latest behind them; a full row stays as it is."""
    rows = jnp.arange(len(latest))
    return memory.tokens.at[rows, memory.cache.lengths].set(latest, mode="drop")
