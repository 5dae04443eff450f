"""The video's loss and better ones: gradients, and where they lead."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import packing
from nnguide.facts.near_orthogonal import directions, pairs


def video_loss(vectors):
    off = vectors @ vectors.T - jnp.eye(len(vectors))
    hinge = jax.nn.relu(jnp.abs(off) - 0.01).sum()
    return hinge + len(vectors) * (jnp.diag(off) ** 2).sum()


def log_of_sums(vectors, loss, sharpness):
    logs = packing.log_weight(loss, vectors @ vectors.T, sharpness)
    return jax.nn.logsumexp(jnp.where(jnp.eye(len(vectors)) > 0, -jnp.inf, logs))


@pytest.mark.smoke
def test_rows_in_chunks_give_the_gradient_of_the_whole_loss(key):
    vectors = 1.1 * directions(key, 11, 4)  # 11 rows, 4 at a time: a ragged end
    wanted = jax.jit(jax.grad(video_loss))(vectors)
    got = jax.jit(lambda each: packing.video_gradient(each, 4))(vectors)
    np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=1e-4)


@pytest.mark.parametrize("loss", ["exponential", "power"])
def test_the_gradient_of_a_log_of_sums_in_chunks(key, loss):
    vectors = directions(key, 11, 4)
    wanted = jax.jit(jax.grad(lambda each: log_of_sums(each, loss, 30.0)))(vectors)
    got = jax.jit(lambda each: packing.sharp_gradient(each, loss, 30.0, 4))(vectors)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_the_videos_loss_makes_bundles(key):
    """In 5 dimensions 60 vectors end in 5 bundles: a fifth of the pairs is given up."""
    ends = pairs(packing.video_descent(directions(key, 60, 5), steps=400, rate=0.03))
    hidden = ends.share(0, 25) + ends.share(155, 180)
    assert 0.8 * 55 / (5 * 59) < hidden < 1.4 * 55 / (5 * 59)
    assert ends.share(80, 100) > 0.6


def test_a_sharp_loss_finds_the_icosahedron(key):
    """Six lines in three dimensions: 63.4 degrees, which is Welch's bound."""
    start = directions(key, 6, 3)
    ends = pairs(packing.sharp_descent(start, "exponential", (5.0, 500.0), 400, 3e-2))
    assert ends.closest == pytest.approx(np.degrees(np.arccos(5**-0.5)), abs=0.5)
