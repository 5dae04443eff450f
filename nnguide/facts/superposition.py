"""More features than dimensions: the ReLU toy model, thousands of them in one program.

x' = ReLU(W^T W x + b) squeezes F features through D dimensions. A feature is in [0, 1]
and mostly absent; how rarely it is present decides how many directions fit. Column i of
W is the direction in which the model writes feature i.

Models that differ in how often features are present see the same draws: each reads the
values with its own share of them kept. Examples come last in every product, which is
about twice as fast on a CPU as features last.

Source: Elhage et al. 2022, "Toy Models of Superposition"; 3Blue1Brown, "How might LLMs
store facts".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Batch, Key, Metrics, Params

REPRESENTED = 0.5  # the norm from which on a feature counts as represented


class Conditions(NamedTuple):
    """What each of N models lives in.

    Attributes:
      presence: how often a feature is present; 1 minus the sparsity.
      importance: weight of each feature's squared error.
    """

    presence: Float[Array, "N"]
    importance: Float[Array, "N F"]


class Functions(NamedTuple):
    """N toy models as three pure functions, in the order of `training.Task`."""

    init: Callable[[Key], Params]
    loss: Callable[..., tuple[tuple[Array, Array], Metrics]]
    evaluate: Callable[..., Metrics]


def draw_features(key: Key, features: int) -> Batch:
    """One example before it is made sparse: a value and a chance for each feature."""
    value, chance = jax.random.uniform(key, (2, features), jnp.float32)
    return {"value": value, "chance": chance}


def sparse(batch: Batch, presence: Float[Array, ""]) -> Float[Array, "F B"]:
    """The examples of `draw_features` with that share of their features kept."""
    return jnp.where(batch["chance"] < presence, batch["value"], 0.0).T


def reconstruct(params: Params, features: Float[Array, "F B"]) -> Float[Array, "F B"]:
    """ReLU(W^T W x + b)."""
    hidden = params["weight"] @ features
    return jax.nn.relu(params["weight"].T @ hidden + params["bias"][:, None])


def functions(dimensions: int, conditions: Conditions) -> Functions:
    """Trains and judges N models, each in its own condition, on shared draws.

    Params are {"weight": (N, D, F), "bias": (N, F)}. The loss is a model's squared
    error, weighted by importance, a feature.

    Args:
      dimensions: D, which the features are squeezed through.
      conditions: of each model.
    """
    models, features = conditions.importance.shape

    def init(key: Key) -> Params:
        spread = (2 / (dimensions + features)) ** 0.5  # Xavier's
        shape = (models, dimensions, features)
        weight = spread * jax.random.normal(key, shape, jnp.float32)
        return {"weight": weight, "bias": jnp.zeros((models, features), jnp.float32)}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key  # the draws are in the batch

        def cost(params: Params, presence: Array, importance: Array) -> Array:
            wanted = sparse(batch, presence)
            error = jnp.square(wanted - reconstruct(params, wanted)) @ batch["weight"]
            return importance @ error / features

        costs = jax.vmap(cost)(params, *conditions)
        return {"loss": (costs, jnp.full((models,), batch["weight"].sum()))}

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        return evaluate(params, batch, key)["loss"], {}

    return Functions(init, loss, evaluate)


def norms(weight: Float[Array, "*models D F"]) -> Float[Array, "*models F"]:
    """How strongly each feature is represented: the length of its direction."""
    return jnp.linalg.norm(weight, axis=-2)


def represented(weight: Float[Array, "*models D F"]) -> Bool[Array, "*models F"]:
    """Which features have a direction longer than half."""
    return norms(weight) > REPRESENTED


def dimensionality(weight: Float[Array, "*models D F"]) -> Float[Array, "*models F"]:
    """The share of a dimension each feature has to itself.

    |W_i|^2 / sum_j (W_i/|W_i| . W_j)^2: 1 alone, 1/2 in an antipodal pair (a digon),
    2/5 in a pentagon; 0 for a feature without a direction.
    """
    gram = jnp.einsum("...DF,...DG->...FG", weight, weight)
    own = jnp.square(jnp.diagonal(gram, axis1=-2, axis2=-1))
    return own / jnp.maximum(jnp.square(gram).sum(-1), 1e-12)


def dimensions_per_feature(
    weight: Float[Array, "*models D F"],
) -> Float[Array, "*models"]:
    """D / |W|^2, Elhage et al.'s D*: 1 without superposition, the less the more."""
    return weight.shape[-2] / jnp.square(weight).sum((-2, -1))


def phase(weight: Float[Array, "*models 1 2"]) -> Int[Array, "*models"]:
    """What becomes of the second of two features that have one dimension.

    0: not represented, 1: represented alone, 2: in superposition with the first.
    """
    first, second = jnp.moveaxis(represented(weight), -1, 0)
    return jnp.where(second, jnp.where(first, 2, 1), 0)


def pair_pays_below(ratio: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The presence below which two features had better share a dimension.

    In closed form, for W = (1, -1), b = 0, against a dimension for the more important
    feature alone and the mean for the other. The pair errs only where both are present,
    p^2 (1 + r) / 6 with r the smaller importance over the larger; the single loses the
    variance of the other, r (p/3 - p^2/4). They are equal at p = 4r / (2 + 5r). Other
    lengths and biases make a trained pair a little better than that.

    Args:
      ratio: importance of the second feature over the first's.
    """
    smaller = jnp.minimum(ratio, 1 / ratio)
    return 4 * smaller / (2 + 5 * smaller)
