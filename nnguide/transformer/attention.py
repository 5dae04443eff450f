"""Attention in the guide's words: queries ask, keys answer, values are moved.

A head's query and key matrices say which tokens matter to which, the pattern; value
down and value up are the low-rank map of what a token adds to another's vector. The
value-up matrices of all heads stand side by side in one "output matrix", as everywhere
but in the guide's drawings.

Sources: 3Blue1Brown, "Attention in transformers, step-by-step"; Vaswani et al., arXiv
1706.03762; grouped heads: Ainslie et al., arXiv 2305.13245; normed queries and keys:
Henry et al., arXiv 2010.04245.
"""

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Bool, Float, Int

from nnguide import target
from nnguide.array_types import Array, Key
from nnguide.transformer import attention_kernels
from nnguide.transformer.attention_kernels import Wants
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.dense import Dense, activation_dtype
from nnguide.transformer.embedding import Rotation, rotate
from nnguide.transformer.norm import unit_mean_square


class KeysValues(NamedTuple):
    """Keys and values: (B, T, G, K) of tokens as they are read, (B, G, S, K) kept.

    What is kept is read by heads, again and again.
    """

    keys: Float[Array, "*L B _ _ K"]
    values: Float[Array, "*L B _ _ K"]


class Sight(NamedTuple):
    """What tokens may see, the same in every layer; None is no restriction.

    Attributes:
      rotation: by which the queries and keys of the new tokens turn.
      segments: the document a token belongs to; it sees no other.
      filled: the places of a cache, or of a question, that hold a token.
      place: of a cache, where the one new token of each row is kept, and filled.
      answers: places in their documents of the tokens of M answers, which follow the S
        places of a question in each row, one after the other. They see the question and
        themselves, not each other. None: a row is one text.
    """

    rotation: Rotation | None = None
    segments: Int[Array, "B T"] | None = None
    filled: Bool[Array, "C S"] | None = None
    place: Int[Array, ""] | None = None
    answers: Int[Array, "C M T"] | None = None


class Attention(nn.Module):
    """An attention block: H heads that read from the stream and write to it.

    Attributes:
      config: of the transformer.
      execution: how it is computed.
      silent: starts the value-up matrix at 0, so that the block adds nothing at birth.
    """

    config: TransformerConfig
    execution: Execution
    silent: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        sight: Sight = Sight(),  # noqa: B008, a constant
        key: Key | None = None,
        cached: KeysValues | None = None,
        source: Float[Array, "B S E"] | None = None,
    ) -> tuple[Float[Array, "B T D"], KeysValues]:
        """What the block adds to the residual stream, and keys and values.

        These are the call's own; where new tokens are kept, the cache with them.

        Args:
          x: the new tokens, normalized.
          sight: what they may see.
          key: for dropout; None switches it off.
          cached: of tokens that came before, (B, G, S, K), with room for the new one.
          source: vectors to attend to instead of x: cross-attention, without mask.
        """
        config, (batch, tokens) = self.config, x.shape[:2]

        def heads_of(name: str, vectors: Array, heads: int) -> Array:
            flat = self._dense(name, heads * config.head_width)(vectors)
            return flat.reshape(batch, -1, heads, config.head_width)

        seen = x if source is None else source
        query = heads_of("query", x, config.heads)
        asked = heads_of("key", seen, config.groups)
        value = heads_of("value_down", seen, config.groups)
        if config.qk_norm:
            query, asked = unit_mean_square(query), unit_mean_square(asked)
        if source is None:
            query, asked = rotate(query, sight.rotation), rotate(asked, sight.rotation)
        new = KeysValues(asked, value)
        if sight.answers is not None:
            mixed = self._mix_answers(query, new, sight)
        elif cached is None or sight.filled is None or sight.place is None:
            mixed = self._mix(query, asked, value, sight, key, source is None)
        else:
            # Kept before it is read, so that the cache need not be copied.
            new = _kept(cached, new, sight.place)
            mixed = self._recall(query, new, sight.filled)
        written = self._dense("value_up", config.embedding)(
            mixed.reshape(batch, tokens, -1)
        )
        return written, new

    def _dense(self, name: str, features: int) -> Dense:
        config, std = self.config, self.config.initial_std
        axes = ("embedding", "heads")
        if name == "value_up":
            axes, std = ("heads", "embedding"), std / (2 * config.layers) ** 0.5
            std = 0.0 if self.silent else std
        dtype = dtype_of(self.execution)
        return Dense(features, axes, config.biases, std, dtype, name=name)

    def _recall(
        self, query: Array, kept: KeysValues, filled: Array,
        new: KeysValues | None = None,
    ) -> Array:  # fmt: skip
        """What tokens take from those kept and, where these are given, each other."""
        # A CPU would round all that is kept for each token: float32 is quicker there.
        dtype = activation_dtype(dtype_of(self.execution))
        query, kept, new = jax.tree.map(lambda a: a.astype(dtype), (query, kept, new))
        return attention_kernels.attend_cached(
            query, kept, filled, new, self.config.attention_softcap
        )

    def _mix_answers(self, query: Array, new: KeysValues, sight: Sight) -> Array:
        """What questions take from themselves, and answers from both."""
        filled, answers = cast(Array, sight.filled), cast(Array, sight.answers)
        (batch, places), (_, each, length) = filled.shape, answers.shape

        def parts(a: Array) -> tuple[Array, Array]:
            behind = a[:, places:].reshape(batch * each, length, *a.shape[2:])
            return a[:, :places], behind

        queries, *both = (parts(a) for a in (query, *new))
        questions, new = (KeysValues(*pair) for pair in zip(*both, strict=True))
        first = self._mix(queries[0], *questions, Sight(), None, True)
        kept = KeysValues(*(a.swapaxes(1, 2) for a in questions))
        second = self._recall(queries[1], kept, filled, new)
        second = second.reshape(batch, -1, *second.shape[2:])
        return jnp.concatenate([first, second], axis=1)

    def _mix(
        self, query: Array, key: Array, value: Array, sight: Sight,
        dropout_key: Key | None, from_itself: bool,
    ) -> Array:  # fmt: skip
        """The pattern's weighted sums of values, by the chosen kernel."""
        config = self.config
        dropout = 0.0 if dropout_key is None else config.dropout
        segments = sight.segments
        rules: dict[str, Any] = {
            "causal": config.causal and from_itself,
            "segments": None if segments is None else (segments, segments),
            "softcap": config.attention_softcap,
        }
        dtype = dtype_of(self.execution)
        wants = Wants(
            causal=rules["causal"],
            segments=segments is not None,
            grouped_heads=config.groups < config.heads,
            cache=False,
            softcap=config.attention_softcap > 0,
            dropout=dropout > 0,
            float32=dtype == jnp.float32,
        )
        kernel, _ = attention_kernels.choose(
            self.execution.attention, wants, target.platform(), dtype,
            config.head_width, query.shape[1], key.shape[1],
        )  # fmt: skip
        if self.is_mutable_collection("intermediates"):
            pattern = attention_kernels.pattern(query, key, **rules)
            self.sow("intermediates", "pattern", pattern)
        query, key, value = (a.astype(dtype) for a in (query, key, value))
        mixed = attention_kernels.attend(
            kernel, query, key, value,
            **rules, dropout=dropout, dropout_key=dropout_key,
        )  # fmt: skip
        return mixed


def _kept(cached: KeysValues, new: KeysValues, place: Array) -> KeysValues:
    """The cache (B, G, S, K) with one new token a row (B, 1, G, K) in its place."""

    def put(old: Array, new: Array) -> Array:
        by_heads = new.swapaxes(1, 2).astype(old.dtype)
        return jax.lax.dynamic_update_slice_in_dim(old, by_heads, place, axis=2)

    return KeysValues(*(put(*pair) for pair in zip(cached, new, strict=True)))


def dtype_of(execution: Execution) -> Any:
    """The type of products' inputs."""
    if execution.compute_dtype == "auto":
        on_cpu = target.platform() == "cpu"
        return jnp.float32 if on_cpu else jnp.bfloat16
    return {"float32": jnp.float32, "bfloat16": jnp.bfloat16}[execution.compute_dtype]
