"""Digits in, ten outputs out: what every network of parts 1-4 is trained for.

The functions have the shape of `training.Task` (init, loss, evaluate), so a launcher
writes `Task(*classify.functions(Mlp(config), config.cost))`. A batch holds "image",
"label" and "weight", 1 for an example that counts and 0 for padding.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Num

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.network.cost import COSTS, CostName, desired_output

# (params, images, labels) -> each example's cost (B,), outputs (B, N)
Costs = Callable[[Params, Array, Array], tuple[Array, Array]]


class Functions(NamedTuple):
    """A classifier as three pure functions, in the order of `training.Task`."""

    init: Callable[[Key], Params]
    loss: Callable[[Params, Batch, Key], tuple[tuple[Array, Array], Metrics]]
    evaluate: Callable[[Params, Batch, Key], Metrics]


def functions(
    module: nn.Module,
    cost: CostName,
    image_shape: tuple[int, ...] = (28, 28, 1),
) -> Functions:
    """Trains and judges a module that maps images (B, ...) to outputs (B, N).

    Args:
      module: for instance `Mlp(config)` or `Convnet(config)`.
      cost: squared_error on activations or cross_entropy on logits.
      image_shape: of one image.
    """

    def init(key: Key) -> Params:
        return module.init(key, jnp.zeros((1, *image_shape), jnp.float32))["params"]

    return from_costs(init, costs_of(module, cost))


def costs_of(module: nn.Module, cost: CostName) -> Costs:
    """Each example's cost and output; gradients come from autodiff."""

    def costs(params: Params, images: Array, labels: Array) -> tuple[Array, Array]:
        outputs = jnp.asarray(module.apply({"params": params}, images))
        desired = desired_output(labels, outputs.shape[-1])
        return COSTS[cost].per_example(outputs, desired), outputs

    return costs


def unit(images: Num[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Pixels as activations: bytes 0 ... 255 become 0 ... 1, floats stay.

    It happens in the step and not in the data: bytes are a quarter of the memory that
    a batch, or a whole epoch of batches, has to move.
    """
    if jnp.issubdtype(images.dtype, jnp.integer):
        return images.astype(jnp.float32) / 255
    return images


def from_costs(init: Callable[[Key], Params], costs: Costs) -> Functions:
    """The three functions of a classifier, whichever way its costs differentiate."""

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key  # nothing is random
        each, outputs = costs(params, unit(batch["image"]), batch["label"])
        weight = batch["weight"]
        total = jnp.sum(weight)
        right = jnp.argmax(outputs, axis=-1) == batch["label"]
        return {
            "loss": (jnp.sum(weight * each), total),
            "accuracy": (jnp.sum(weight * right), total),
        }

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], Metrics]:
        metrics = evaluate(params, batch, key)
        return metrics.pop("loss"), metrics

    return Functions(init, loss, evaluate)
