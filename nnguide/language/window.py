"""What a generator has read of each row: the last tokens, at most a context of them.

A row that has filled the context keeps the last half of it. Those tokens are then at
other places, so that their keys and values change and the half has to be read again.

`Window` reads all of it for each new token; `CachedWindow` reads each token once and
keeps its keys and values. Both give the same logits.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Params
from nnguide.cpp import choice
from nnguide.transformer.attention import dtype_of
from nnguide.transformer.decoding_kernels import fused
from nnguide.transformer.decoding_kernels.fused import FusedCache
from nnguide.transformer.model import Cache, Transformer, by_heads

FEW_ROWS = 16  # fewer are written faster by XLA, whose threads share rows
WIDE = 512  # from here on XLA is faster in bfloat16, at 384 as fast


class Memory(NamedTuple):
    """What each row has read and not dropped.

    Attributes:
      tokens: those in the first `lengths` places, padding behind.
      lengths: how many there are.
      cache: their keys and values; None where they are read anew.
    """

    tokens: Int[Array, "B S"]
    lengths: Int[Array, "B"]
    cache: Cache | FusedCache | None


class Window:
    """Reads the whole window for each token.

    Attributes:
      module: the transformer.
      new_tokens: how many a row is going to get at most.
      context: how many tokens a window holds, S.
      half: how many stay when it is full.
    """

    def __init__(self, module: Transformer, new_tokens: int) -> None:
        self.module, self.new_tokens = module, new_tokens
        self.context = module.config.context
        self.half = self.context // 2

    def begin(
        self,
        params: Params,
        prompts: Int[Array, "C P"],
        lengths: Int[Array, "C"],
        copies: int = 1,
    ) -> tuple[Memory, Float[Array, "B V"]]:
        """Reads the prompts; gives the logits of what follows them.

        Args:
          params: of the transformer.
          prompts: padded behind.
          lengths: of each.
          copies: rows in a row that begin with each prompt, which is read once.
        """
        tokens = jnp.pad(prompts, ((0, 0), (0, self.context - prompts.shape[1])))
        logits, kept = self._read(params, prompts, lengths)
        cache = self._remembered(params, prompts, lengths, kept, copies)
        tokens, lengths, logits = (
            jnp.repeat(each, copies, axis=0) for each in (tokens, lengths, logits)
        )
        return Memory(tokens, lengths, cache), logits

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
        tokens, lengths = _append(memory, latest), memory.lengths
        logits, _ = self._read(params, tokens, lengths + 1)
        return Memory(tokens, lengths + going, None), logits

    def full(self, memory: Memory, going: Bool[Array, "B"]) -> Bool[Array, "B"]:
        """The rows that are going and have no room for one more token."""
        return going & (memory.lengths == self.context)

    def make_room(
        self, params: Params, memory: Memory, full: Bool[Array, "B"]
    ) -> Memory:
        """Leaves the last half of each full row, at its beginning."""
        del params  # nothing is read
        lengths = jnp.where(full, self.half, memory.lengths)
        moved = jnp.roll(memory.tokens, self.half - self.context, axis=1)
        tokens = jnp.where(full[:, None], moved, memory.tokens)
        return Memory(tokens, lengths, memory.cache)

    def _remembered(
        self, params: Params, prompts: Array, lengths: Array, kept: Any, copies: int
    ) -> Cache | FusedCache | None:
        """What is kept of the prompts for `copies` rows each."""
        del params, prompts, lengths, kept, copies
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

    def __init__(self, module: Transformer, new_tokens: int) -> None:
        super().__init__(module, new_tokens)
        execution = module.execution
        if execution.layers == "auto":
            # Each layer's cache stays where it is; of a stack one would be copied.
            execution = dataclasses.replace(execution, layers="loop")
        self.writing = module.clone(execution=execution)

    def go_on(
        self,
        params: Params,
        memory: Memory,
        latest: Int[Array, "B"],
        going: Bool[Array, "B"],
    ) -> tuple[Memory, Float[Array, "B V"]]:
        """As `Window.go_on`, from the new token alone."""
        read: Any = self.writing.apply(
            {"params": params}, latest, memory.lengths, memory.cache, method="go_on"
        )
        logits, cache = read
        tokens = _append(memory, latest)
        return Memory(tokens, memory.lengths + going, cache), logits

    def make_room(
        self, params: Params, memory: Memory, full: Bool[Array, "B"]
    ) -> Memory:
        """As `Window.make_room`; reads the half that stays.

        The half is kept in the places before the next token's.
        """
        cache: Any = memory.cache
        places = cache.filled.shape[1]
        if places < self.context:
            return memory  # no row ever fills a context
        moved = super().make_room(params, memory, full)
        half = moved.tokens[:, : max(self.half, 1)]
        # In rows that are not full the half may be padding; they keep what they have.
        _, fresh = self._read(params, half, jnp.full_like(full, self.half, jnp.int32))
        first = cache.place - self.half

        def moved_there(new: Array, old: Array) -> Array:
            rows = full.reshape(*[1] * (old.ndim - 4), -1, 1, 1, 1)
            return jnp.where(rows, jnp.roll(new, first, axis=-2), old)

        kept = jax.tree.map(moved_there, self._kept(fresh, places), cache.kept)
        holds_half = jnp.roll(jnp.arange(places) < self.half, first)[None]
        filled = jnp.where(full[:, None], holds_half, cache.filled)
        cache = Cache(kept, filled, cache.place)
        return Memory(moved.tokens, moved.lengths, cache)

    def _remembered(
        self, params: Params, prompts: Array, lengths: Array, kept: Any, copies: int
    ) -> Cache | FusedCache | None:
        """Room for the prompts, padding included, and for what a row may add to them.

        A row never fills more places than that before its oldest token is dropped.
        """
        del params
        asked = prompts.shape[1]
        kept = jax.tree.map(lambda a: jnp.repeat(a, copies, axis=1), kept)
        places = asked + min(self.new_tokens, self.context)
        filled = jnp.arange(places)[None] < jnp.repeat(lengths, copies)[:, None]
        return Cache(self._kept(kept, places), filled, jnp.int32(asked))

    def _kept(self, kept: Any, places: int) -> Any:
        """Keys and values by heads; a list of the layers' where these are a loop."""
        stacked = by_heads(kept, places)
        if stacked is None or self.writing.execution.layers != "loop":
            return stacked
        return [
            jax.tree.map(lambda a: a[layer], stacked)  # noqa: B023, called at once
            for layer in range(self.module.config.layers)
        ]


class FusedWindow(CachedWindow):
    """Takes new tokens through all blocks by one call of our kernel.

    For rows that never fill a context: no half of one is ever read again.
    """

    def make_room(
        self, params: Params, memory: Memory, full: Bool[Array, "B"]
    ) -> Memory:
        """As `Window.make_room`; it is never needed."""
        del params, full
        return memory

    def _remembered(
        self, params: Params, prompts: Array, lengths: Array, kept: Any, copies: int
    ) -> Cache | FusedCache | None:
        module, dtype = self.module, dtype_of(self.module.execution)
        return fused.begin(
            module.config, params, dtype, kept, lengths, copies, self.new_tokens
        )


def cached_window(
    module: Transformer, new_tokens: int, prompt_places: int, rows: int
) -> CachedWindow:
    """The window with a cache that is quickest here; the log says which, and why.

    Args:
      module: the transformer.
      new_tokens: how many a row is going to get at most.
      prompt_places: of the longest prompt, padding included.
      rows: written side by side.

    Raises:
      InputError: decoding=fused is asked for where the kernel cannot be had.
    """
    config, asked = module.config, module.execution.decoding
    rounded = dtype_of(module.execution) == jnp.bfloat16
    unsuited = fused.unsuited(config)
    if prompt_places + new_tokens > config.context:
        unsuited = "it never drops a token, and rows may outgrow the context"
    elif asked == "auto" and rows < FEW_ROWS:
        unsuited = f"a thread takes whole rows, and there are {rows}"
    elif asked == "auto" and rounded and config.embedding >= WIDE:
        unsuited = f"XLA is faster for {config.embedding} numbers in bfloat16"
    if choice.chosen(fused.KERNEL, asked, unsuited) == fused.KERNEL.name:
        return FusedWindow(module, new_tokens)
    return CachedWindow(module, new_tokens)


def _append(memory: Memory, latest: Array) -> Array:
    """The tokens with each row's latest behind them; a full row stays as it is."""
    next_place = jnp.arange(memory.tokens.shape[1])[None] == memory.lengths[:, None]
    return jnp.where(next_place, latest[:, None], memory.tokens)
