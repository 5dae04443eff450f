"""Sparse autoencoders: reading out the features that a model keeps in superposition.

Activations h = W x of D dimensions are written as few of A directions:

    code = ReLU(E (h - c) + b),  h' = Dictionary code + c,  |h' - h|^2 + penalty |code|

with dictionary columns of length 1, so that a code cannot be made small by making its
direction long. Where the features are sparse, the dictionary finds their directions
without being told any of them. Autoencoders of several sizes are trained at once: each
has the room of the largest and uses its first directions.

Source: Bricken et al. 2023, "Towards Monosemanticity"; 3Blue1Brown, "How might LLMs
store facts", which closes with them.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.facts.superposition import sparse


class Conditions(NamedTuple):
    """What tells N autoencoders apart.

    Attributes:
      size: directions of each dictionary.
      penalty: of the sum of each code.
    """

    size: Int[Array, "N"]
    penalty: Float[Array, "N"]


class Functions(NamedTuple):
    """N autoencoders as three pure functions, in the order of `training.Task`."""

    init: Callable[[Key], Params]
    loss: Callable[..., tuple[tuple[Array, Array], Metrics]]
    evaluate: Callable[..., Metrics]


def directions(params: Params) -> Float[Array, "*models D A"]:
    """The dictionary, columns of length 1."""
    dictionary = params["dictionary"]
    return dictionary / jnp.linalg.norm(dictionary, axis=-2, keepdims=True)


def encode(
    params: Params, used: Bool[Array, "A"], activations: Float[Array, "D B"]
) -> Float[Array, "A B"]:
    """How much of each direction the activations are made of; 0 for unused ones."""
    centred = activations - params["center"][:, None]
    code = jax.nn.relu(params["encoder"] @ centred + params["bias"][:, None])
    return jnp.where(used[:, None], code, 0.0)


def decode(params: Params, code: Float[Array, "A B"]) -> Float[Array, "D B"]:
    """The activations that a code stands for."""
    return directions(params) @ code + params["center"][:, None]


def functions(
    conditions: Conditions, dimensions: int, room: int, presence: float
) -> Functions:
    """Trains and judges N autoencoders on one toy model's activations.

    Batches hold features as `draw_features` makes them; the toy model's weight (D, F)
    is a frozen argument. Params are {"encoder": (N, A, D), "bias": (N, A),
    "dictionary": (N, D, A), "center": (N, D)}.

    Args:
      conditions: of each autoencoder.
      dimensions: D, of the activations.
      room: A, the largest size.
      presence: how often a feature is present.
    """
    (models,) = conditions.size.shape

    def init(key: Key) -> Params:
        drawn = jax.random.normal(key, (models, dimensions, room), jnp.float32)
        dictionary = directions({"dictionary": drawn})
        return {
            "encoder": dictionary.swapaxes(1, 2),
            "bias": jnp.zeros((models, room), jnp.float32),
            "dictionary": dictionary,
            "center": jnp.zeros((models, dimensions), jnp.float32),
        }

    def evaluate(params: Params, batch: Batch, key: Key, *, weight: Array) -> Metrics:
        del key  # the draws are in the batch
        activations = weight @ sparse(batch, jnp.float32(presence))

        def sums(params: Params, size: Array, penalty: Array) -> dict[str, Array]:
            code = encode(params, jnp.arange(room) < size, activations)
            error = jnp.square(decode(params, code) - activations).sum(0)
            each = {
                "loss": error + penalty * code.sum(0),
                "error": error,
                "active": (code > 0).sum(0),
            }
            return {name: values @ batch["weight"] for name, values in each.items()}

        count = jnp.full((models,), batch["weight"].sum())
        totals = jax.vmap(sums)(params, *conditions)
        return {name: (total, count) for name, total in totals.items()}

    def loss(
        params: Params, batch: Batch, key: Key, *, weight: Array
    ) -> tuple[tuple[Array, Array], Metrics]:
        return evaluate(params, batch, key, weight=weight)["loss"], {}

    return Functions(init, loss, evaluate)


def best_cosines(
    dictionary: Float[Array, "D A"], size: Int[Array, ""], true: Float[Array, "D F"]
) -> Float[Array, "F"]:
    """Each true direction's cosine with the nearest of the dictionary's first ones.

    Args:
      dictionary: one autoencoder's.
      size: how many of its directions are used.
      true: the directions that should be found, of any length.
    """
    found, wanted = (directions({"dictionary": each}) for each in (dictionary, true))
    used = (jnp.arange(dictionary.shape[-1]) < size)[:, None]
    return jnp.where(used, found.T @ wanted, -1.0).max(axis=0)
