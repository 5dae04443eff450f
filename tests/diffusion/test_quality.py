"""Measures of samples against closed forms, and bits per dimension of Gaussians."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.diffusion import quality
from nnguide.diffusion.denoising import ideal_of_mixture
from nnguide.diffusion.likelihood import bits_per_dimension


def normal(count: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, width))


@pytest.mark.smoke
def test_frechet_distance_of_gaussians_is_the_closed_form():
    """d (1 - s)^2 and the squared shift; 16 for d = 64, s = 1/2."""
    x = normal(4000, 64)
    assert quality.frechet_distance(x, 0.5 * x) == pytest.approx(
        0.25 * np.trace(np.cov(x.T)) + 0.25 * (x.mean(0) ** 2).sum(), rel=1e-9
    )
    assert quality.frechet_distance(x, 0.5 * x) == pytest.approx(16, rel=0.02)
    assert quality.frechet_distance(x, x + 3) == pytest.approx(64 * 9, rel=1e-9)
    assert quality.frechet_distance(x, x) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_turns_covariances_as_the_formula_says():
    """For covariances that do not commute: scipy's root is a generic Newton one."""
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(3, 3)) for _ in range(2))
    x, y = normal(500, 3) @ one, normal(500, 3, 1) @ other
    a, b = np.cov(x.T), np.cov(y.T)
    values = np.linalg.eigvals(a @ b)  # those of the root are their roots
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    wanted = shift + np.trace(a + b) - 2 * np.sqrt(values.real).sum()
    assert quality.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-9)


def test_frechet_distance_has_the_known_bias_and_the_kernel_distance_has_none():
    frechet, kernel = [], []
    for seed in range(6):
        x, y = normal(1000, 64, 2 * seed), normal(1000, 64, 2 * seed + 1)
        frechet.append(quality.frechet_distance(x, y))
        kernel.append(quality.kernel_distance(x, y))
    bias = 2 * 64 / 1000 + 64**2 / (2 * 1000)  # to first order in 1 / N
    assert np.mean(frechet) == pytest.approx(bias, abs=0.03)
    assert abs(np.mean(kernel)) < 3 * np.std(kernel) / math.sqrt(6)


def test_kernel_distance_is_the_mean_over_pairs_that_are_not_the_same():
    x, y = normal(5, 3), normal(4, 3, 1) + 1

    def k(u: np.ndarray, v: np.ndarray) -> float:
        return float((u @ v / 3 + 1) ** 3)

    within_x = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    within_y = np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    across = np.mean([k(u, v) for u in x for v in y])
    wanted = within_x + within_y - 2 * across
    assert quality.kernel_distance(x, y) == pytest.approx(wanted, rel=1e-9)


def test_precision_recall_and_coverage_tell_quality_from_variety(monkeypatch):
    monkeypatch.setattr(quality, "_ROWS", 60)  # several blocks
    real = normal(400, 2)
    same = quality.neighbourhood(real, normal(400, 2, 1))
    assert min(same[:2]) > 0.9
    assert same.coverage == pytest.approx(1 - 0.5**3, abs=0.03)  # its expected value
    narrow = quality.neighbourhood(real, 0.1 * normal(400, 2, 1))
    assert narrow.precision == 1
    assert narrow.recall < 0.2
    assert narrow.coverage < 0.3
    half = quality.neighbourhood(real, np.concatenate([real[:50], real[:50] + 100]))
    assert half.precision == 0.5
    outlier = np.concatenate([0.01 * normal(3, 2), [[50.0, 0]]])
    lone = quality.neighbourhood(real, outlier)
    assert lone.recall > 0.9  # the outlier reaches back over everything
    assert lone.coverage < 0.2  # and still covers nothing


def test_samples_that_repeat_the_training_set_are_found():
    train, unseen = normal(300, 10), normal(200, 10, 1)
    assert quality.nearest_ratio(normal(200, 10, 2), unseen, train) == pytest.approx(
        1, abs=0.1
    )
    assert quality.nearest_ratio(train[:50] + 1e-3, unseen, train) < 0.01
    far, which = quality.nearest(train[10:13] + 1e-3, train)
    assert which.tolist() == [10, 11, 12]
    np.testing.assert_allclose(far, 1e-3 * math.sqrt(10), rtol=1e-3)


def test_class_accuracy_counts_what_was_asked_for():
    logits = np.eye(3)[[0, 1, 2, 2]]
    assert quality.class_accuracy(logits, np.array([0, 1, 2, 0])) == 0.75


@pytest.mark.smoke
def test_bits_per_dimension_of_gaussians_are_exact():
    """-log2 N(x; 0, s^2 + sigma_min^2), and bits a byte when 127.5 steps make 1."""
    s, sigmas = 0.5, np.geomspace(0.01, 80, 200)
    denoise = ideal_of_mixture(jnp.zeros((1, 3)), jnp.array([s]))
    x = 0.6 * jax.random.normal(jax.random.key(0), (4, 3))
    variance = s**2 + 0.01**2
    log_density = -0.5 * (
        np.asarray(x**2).mean(1) / variance + math.log(2 * math.pi * variance)
    )
    for levels, error in ((sigmas, 2e-3), (sigmas[::2], 8e-3)):  # of second order
        got = bits_per_dimension(denoise, x, levels, jax.random.key(1))
        np.testing.assert_allclose(got, -log_density / math.log(2), atol=error)
    more = bits_per_dimension(
        denoise, x, sigmas[::2], jax.random.key(1), steps_of_one=127.5
    )
    np.testing.assert_allclose(more - got, math.log2(127.5), rtol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_bits_per_dimension_of_a_mixture(turned):
    """One probe sees a divergence along the axes whole; elsewhere it takes many."""
    means = np.array([[-1.0, -1.0], [1.0, 1.0]] if turned else [[-1.4, 0], [1.4, 0]])
    denoise = ideal_of_mixture(jnp.asarray(means, "f4"), jnp.array([0.5, 0.5]))
    x = np.array([[1.1, 0.8], [0.9, 0.3]], "f4")
    sigmas, probes = np.geomspace(0.01, 80, 100), 4000 if turned else 1
    got = bits_per_dimension(
        denoise, jnp.asarray(x), sigmas, jax.random.key(0), probes=probes
    )
    variance = 0.5**2 + 0.01**2
    square = ((x[:, None] - means[None]) ** 2).sum(-1)
    density = (np.exp(-square / (2 * variance)) / (2 * math.pi * variance)).mean(1)
    error = 0.05 if turned else 0.01
    np.testing.assert_allclose(got, -np.log2(density) / 2, atol=error)
