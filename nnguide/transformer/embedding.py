"""Tokens in, logits out: the embedding, the places of tokens, the unembedding.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs"; rotary positions:
Su et al., arXiv 2104.09864.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.spmd import logical_to_mesh_axes, with_logical_constraint
from jaxtyping import Float, Int

from nnguide.array_types import Array
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.dense import activation_dtype, product

BASE = 10_000.0  # of the rotary wavelengths, in tokens


class Embedding(nn.Module):
    """A learned vector for each token id and, where positions are learned, each place.

    `tokens` is (V, D), `positions` (context, D), `unembedding` (V, D) where it is not
    the embedding's own table.
    """

    config: TransformerConfig
    dtype: Any = jnp.float32

    def setup(self) -> None:
        """Makes the tables."""
        config = self.config
        self.tokens = self._table("tokens", "vocabulary", config.vocabulary)
        if config.positions == "learned":
            self.positions = self._table("positions", "places", config.context)
        if not config.tied:
            self.unembedding = self._table(
                "unembedding", "vocabulary", config.vocabulary
            )

    def _table(self, name: str, axis: str, rows: int) -> Any:
        initial = nn.initializers.normal(self.config.initial_std)
        boxed = nn.with_logical_partitioning(initial, (axis, "embedding"))
        return self.param(name, boxed, (rows, self.config.embedding), jnp.float32)

    def __call__(
        self, tokens: Int[Array, "B T"], positions: Int[Array, "B T"] | None = None
    ) -> Float[Array, "B T D"]:
        """Each token's vector, its place's added where places have vectors.

        Args:
          tokens: ids below V.
          positions: places; None counts 0, 1, ... in every row.
        """
        x = _whole_rows(self.tokens, "vocabulary")[tokens]
        if self.config.positions == "learned":
            places = _whole_rows(self.positions, "places")
            if positions is None:
                x = x + places[None, : tokens.shape[1]]
            else:
                x = x + places[positions]
        return x.astype(activation_dtype(self.dtype))

    def unembed(self, x: Float[Array, "B T D"]) -> Float[Array, "B T V"]:
        """Logits: how well each token's vector fits each place's, float32."""
        table = self.tokens if self.config.tied else self.unembedding
        flat = x.reshape(-1, x.shape[-1])
        logits = product(flat, table, self.dtype, by_rows=True).astype(jnp.float32)
        if self.config.logit_softcap:
            cap = self.config.logit_softcap
            logits = cap * jnp.tanh(logits / cap)
        return logits.reshape(*x.shape[:-1], -1)


def _whole_rows(table: Array, axis: str) -> Array:
    """Rows that are split over fsdp are brought together before they are looked up.

    Looked up in parts, XLA would have to turn parts of all rows of the batch into whole
    rows of a part of it, which it does by copying everything everywhere. A number of
    rows that does not divide stays whole, as the table itself does: 50,257 rows over 8
    devices take XLA's TPU compiler minutes.
    """
    mesh, split = jax.sharding.get_abstract_mesh(), logical_to_mesh_axes((axis,))
    parts: Any = 1 if split is None else mesh.shape.get(split[0], 1)
    divides = len(table) % parts == 0
    return with_logical_constraint(table, (axis if divides else None, None))


class Rotation(NamedTuple):
    """Cosines and sines of the angles by which places rotate, (B or 1, T, 1, K / 2)."""

    cosine: Float[Array, "_ T 1 K2"]
    sine: Float[Array, "_ T 1 K2"]


def rotation(positions: Int[Array, "_ T"], head_width: int) -> Rotation:
    """The angles: pair i of a head turns by place / BASE^(2 i / K) radians."""
    exponents = jnp.arange(0, head_width, 2, dtype=jnp.float32) / head_width
    angles = positions[..., None, None] * (BASE**-exponents)[None, None, None]
    return Rotation(jnp.cos(angles), jnp.sin(angles))


def rotate(x: Float[Array, "B T H K"], by: Rotation | None) -> Float[Array, "B T H K"]:
    """Turns the pairs (i, i + K / 2) of every query or key by its place's angles.

    The product of a query and a key then depends on their distance alone.
    """
    if by is None:
        return x
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate(
        [
            first * by.cosine - second * by.sine,
            second * by.cosine + first * by.sine,
        ],
        axis=-1,
    )
    return turned.astype(x.dtype)


def mask_unknown(
    logits: Float[Array, "B T V"], known_tokens: int
) -> Float[Array, "B T V"]:
    """Takes ids at or past `known_tokens` out of the softmax; 0 knows them all."""
    if known_tokens in (0, logits.shape[-1]):
        return logits
    known = jnp.arange(logits.shape[-1]) < known_tokens
    return jnp.where(known[None, None], logits, jnp.finfo(logits.dtype).min)
