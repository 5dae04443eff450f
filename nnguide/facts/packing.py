"""Pushing vectors apart by gradient descent: the video's loss, and losses that work.

The video punishes every pair by how far it is off perpendicular. A sum like that is
lowest where most pairs are perfect and a few are hopeless: the vectors fall into d
bundles, and 1/d of the pairs end near 0 or 180 degrees. What has to be punished is the
worst pair: log sum exp(b cos^2), which for large b is b times the largest cos^2.

Every scalar product is seen from both its vectors, so the gradient of a symmetric sum
with respect to one vector is twice that of its own row. Rows go by in chunks; the N x N
products never exist at once.

Source: 3Blue1Brown, "How might LLMs store facts", and the erratum at
3blue1brown.com/lessons/mlp with N. Yoder's exp(20 cos^2).
"""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from nnguide.array_types import Array

VIDEO_STEPS, VIDEO_RATE, VIDEO_SLACK = 250, 1e-2, 0.01
Sharpened = Literal["exponential", "power"]


def video_gradient(vectors: Float[Array, "N D"], chunk: int) -> Float[Array, "N D"]:
    """The gradient of the video's loss, of any lengths.

    sum relu(|v_i . v_j - [i = j]| - 0.01) + N sum (|v_i|^2 - 1)^2
    """
    numbers = jnp.arange(len(vectors))

    def row_loss(vector: Array, number: Array) -> Array:
        off = vectors @ vector - (numbers == number)
        hinge = jax.nn.relu(jnp.abs(off) - VIDEO_SLACK).sum()
        return hinge + len(vectors) * off[number] ** 2

    # Grad by the first argument alone: the other side of each pair stands still.
    rows = jax.lax.map(
        lambda each: jax.grad(row_loss)(*each), (vectors, numbers), batch_size=chunk
    )
    return 2 * rows


@partial(jax.jit, static_argnames=("steps", "rate", "chunk"))
def video_descent(
    start: Float[Array, "N D"],
    steps: int = VIDEO_STEPS,
    rate: float = VIDEO_RATE,
    chunk: int = 256,
) -> Float[Array, "N D"]:
    """The video's own optimisation: Adam, the lengths held near 1 by the loss."""
    return _descend(
        start, lambda vectors, _: video_gradient(vectors, chunk), steps, rate
    )


def log_weight(
    loss: Sharpened, cosine: Float[Array, "*N"], sharpness: Any
) -> Float[Array, "*N"]:
    """What is summed under the log, by its own log: b cos^2, or b log |cos|."""
    if loss == "exponential":
        return sharpness * cosine**2
    return sharpness / 2 * jnp.log(cosine**2 + 1e-12)


def sharp_gradient(
    vectors: Float[Array, "N D"], loss: Sharpened, sharpness: Any, chunk: int
) -> Float[Array, "N D"]:
    """The gradient of the log of the sum over all pairs, for vectors of length 1.

    That of a log of sums is the mean of the rows' gradients, by the softmax of the
    rows' own logs: nothing overflows, whatever the sharpness.
    """
    numbers = jnp.arange(len(vectors))

    def row_loss(vector: Array, number: Array) -> Array:
        logs = log_weight(loss, vectors @ vector, sharpness)
        return jax.nn.logsumexp(jnp.where(numbers == number, -jnp.inf, logs))

    sums, rows = jax.lax.map(
        lambda each: jax.value_and_grad(row_loss)(*each),
        (vectors, numbers),
        batch_size=chunk,
    )
    return 2 * jax.nn.softmax(sums)[:, None] * rows


@partial(jax.jit, static_argnames=("loss", "steps", "rate", "chunk"))
def sharp_descent(
    start: Float[Array, "N D"],
    loss: Sharpened,
    sharpness: tuple[Any, Any],
    steps: int,
    rate: float,
    chunk: int = 256,
) -> Float[Array, "N D"]:
    """Spreads vectors by their closest pairs.

    Args:
      start: not zero.
      loss: "exponential" punishes exp(b cos^2), "power" |cos|^b.
      sharpness: b at the first and at the last step; it grows by a constant factor.
      steps: of Adam, whose rate falls to 0 as a cosine.
      rate: at the first step.
      chunk: vectors at a time.

    Returns:
      Vectors of length 1.
    """
    first, last = sharpness

    def gradient(raw: Array, step: Array) -> Array:
        # Inside the loss: the length of a vector is none of its business.
        unit, pull_back = jax.vjp(_of_length_1, raw)
        now = first * (last / first) ** (step / max(1, steps - 1))
        return pull_back(sharp_gradient(unit, loss, now, chunk))[0]

    schedule = optax.cosine_decay_schedule(rate, steps)
    return _of_length_1(_descend(start, gradient, steps, schedule))


def _of_length_1(vectors: Array) -> Array:
    return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def _descend(start: Array, gradient: Any, steps: int, rate: Any) -> Array:
    adam = optax.adam(rate)

    def step(carried: Any, number: Array) -> tuple[Any, None]:
        vectors, state = carried
        updates, state = adam.update(gradient(vectors, number), state)
        return (optax.apply_updates(vectors, updates), state), None

    carried = (start, adam.init(start))
    (vectors, _), _ = jax.lax.scan(step, carried, jnp.arange(steps, dtype=jnp.float32))
    return vectors
