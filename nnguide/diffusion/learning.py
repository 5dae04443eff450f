"""Denoising as something to train: a network as the three functions of a task.

Each example draws its own level of noise and its own noise; now and then it is not
told its condition, so that one network learns both what guidance compares.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.diffusion import denoising
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.noise import NoiseConfig, draw_sigma


class Functions(NamedTuple):
    """A denoiser as pure functions, in the order of `training.Task`."""

    init: Callable[[Key], Params]
    loss: Callable[..., tuple[tuple[Array, Array], Metrics]]
    evaluate: Callable[..., Metrics]


class Examples(NamedTuple):
    """What a batch is to a denoiser.

    Attributes:
      image: batch -> clean images (B, ...), about -1 to 1.
      condition: batch -> what the network is told of each, (B, ...) or None.
      nothing: the condition that says nothing, of one example.
      dropped: share of the examples that are told nothing in training.
    """

    image: Callable[[Batch], Array]
    condition: Callable[[Batch], Any]
    nothing: Any = None
    dropped: float = 0.0


def functions(
    module: Any,
    shape: tuple[int, ...],
    target: DenoisingConfig,
    noise: NoiseConfig,
    examples: Examples,
) -> Functions:
    """Trains and judges a module called with images, noise levels and conditions.

    Args:
      module: a Linen module, for instance `Unet(config)`.
      shape: of one image.
      target: what the module predicts, and how errors count.
      noise: the levels.
      examples: how batches hold images and conditions.
    """

    def init(key: Key) -> Params:
        condition = examples.nothing
        if condition is not None:
            condition = jnp.asarray(condition)[None]
        image = jnp.zeros((1, *shape), jnp.float32)
        return module.init(key, image, jnp.zeros(1, jnp.float32), condition)["params"]

    def errors(params: Params, batch: Batch, key: Key, dropped: float) -> Array:
        """Each example's loss; example n's noise is keyed by n."""

        def draw(number: Array) -> tuple[Array, Array, Array]:
            level, noisy, lot = jax.random.split(jax.random.fold_in(key, number), 3)
            sigma = draw_sigma(noise, level)
            hidden = jax.random.bernoulli(lot, dropped)
            return sigma, jax.random.normal(noisy, shape, jnp.float32), hidden

        sigma, z, hidden = jax.vmap(draw)(batch["example"])
        condition = examples.condition(batch)
        if dropped:
            condition = hide(condition, examples.nothing, hidden)
        network = network_of(module, params)
        image = examples.image(batch)
        return denoising.loss(network, target, image, sigma, z, condition)

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""]], Metrics]:
        weight = batch["weight"]
        each = errors(params, batch, key, examples.dropped)
        return (jnp.sum(weight * each), jnp.sum(weight)), {}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        weight = batch["weight"]
        each = errors(params, batch, key, 0.0)
        return {"loss": (jnp.sum(weight * each), jnp.sum(weight))}

    return Functions(init, loss, evaluate)


def network_of(module: Any, params: Params) -> denoising.Network:
    """The module with its parameters, as `denoising.denoiser` takes it."""

    def network(x: Array, noise_level: Array, condition: Any) -> Array:
        return jnp.asarray(module.apply({"params": params}, x, noise_level, condition))

    return network


def hide(condition: Array, nothing: Any, hidden: Array) -> Array:
    """Puts the condition that says nothing where `hidden` (B,) is true."""
    nothing = jnp.broadcast_to(jnp.asarray(nothing)[None], condition.shape)
    where = hidden.reshape(-1, *(1,) * (condition.ndim - 1))
    return jnp.where(where, nothing, condition)
