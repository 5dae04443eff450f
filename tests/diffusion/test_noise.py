"""Schedules against reference tables, the posterior against Bayes' rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.diffusion import noise
from nnguide.diffusion.noise import NoiseConfig, make_noise, posterior

PLACES = [0, 1, 9, 99, 249, 499, 749, 998, 999]
# abar at PLACES, to ten digits
LINEAR = [
    0.9999, 0.9997800921, 0.9981052048, 0.8970181457, 0.5240853738, 0.07858724288,
    3.350550439e-3, 4.118193638e-5, 4.035829765e-5,
]  # fmt: skip
COSINE = [
    0.9999587158, 0.9999125759, 0.9993687184, 0.9720927371, 0.8470121613, 0.4938435904,
    0.1442721024, 2.428766907e-6, 2.428766907e-9,
]  # fmt: skip
# t: beta, beta-tilde, its logarithm, of_x_0, of_x_t, signal-to-noise ratio
POSTERIOR = {
    1: (1.199199199e-4, 5.453187661e-5, -9.816725135, 0.5452914995, 0.454708499,
        4546.357657),
    99: (2.072072072e-3, 2.034596259e-3, -6.197457878, 0.01907634532, 0.9808960213,
         8.710448569),
    499: (1.004004004e-2, 1.003135541e-2, -4.60203955, 3.070071114e-3, 0.9941066702,
          0.08528994446),
    999: (2e-2, 1.999998353e-2, -3.912023829, 1.283514872e-4, 0.9899486783,
          4.035992651e-5),
}  # fmt: skip
EVERY = ("linear", "cosine", "scaled_linear", "sigmoid", "log_linear", "edm")


def drawn(count: int, *shape: int) -> list[jax.Array]:
    """Standard normal arrays, float64 where that is enabled."""
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for _ in range(count)]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("schedule", "wanted"), [("linear", LINEAR), ("cosine", COSINE)]
)
def test_what_is_left_of_the_image_is_the_papers_table(schedule, wanted):
    table = make_noise(NoiseConfig(schedule))
    np.testing.assert_allclose(table.alpha_bar[PLACES], wanted, rtol=3e-10)


def test_landmarks_of_the_schedules():
    linear, cosine = (make_noise(NoiseConfig(name)) for name in ("linear", "cosine"))
    np.testing.assert_allclose(linear.sigma[[0, -1]], [0.0100005, 157.4073], rtol=1e-6)
    wanted = [4.128422482e-5, 0.00314588623, 0.999]
    np.testing.assert_allclose(cosine.beta[[0, 499, 999]], wanted, rtol=3e-9)
    assert (cosine.beta > 0.999 - 1e-9).sum() == 1
    scaled = make_noise(NoiseConfig("scaled_linear"))
    wanted = [0.99915, 0.27766965, 0.0046600985]
    np.testing.assert_allclose(scaled.alpha_bar[[0, 499, 999]], wanted, rtol=1e-8)
    assert scaled.sigma[-1] == pytest.approx(14.6146, abs=5e-5)
    # half of 1,000 steps leave half of the variance: sigmoid(0), the curve is odd
    assert make_noise(NoiseConfig("sigmoid")).alpha_bar[499] == pytest.approx(0.5)
    video = make_noise(NoiseConfig("log_linear", 256)).sigma
    np.testing.assert_allclose(np.diff(np.log(video)), np.log(1000) / 255)


def test_edm_levels_are_karras_eighteen():
    config = NoiseConfig("edm", sigma_min=0.002, sigma_max=80.0)
    wanted = [
        80, 57.5859847, 40.7855738, 28.3745846, 19.3524530, 12.9100824, 8.40093531,
        5.31519452, 3.25682152, 1.92333984, 1.08817064, 0.585348123, 0.296442284,
        0.139516469, 0.0599473112, 0.0229345184, 0.00752801996, 0.002,
    ]  # fmt: skip
    np.testing.assert_allclose(noise.sigma_levels(config, 18), wanted, rtol=4e-9)


@pytest.mark.parametrize("schedule", EVERY)
def test_levels_ascend_and_say_the_same_three_ways(schedule):
    table = make_noise(NoiseConfig(schedule))
    assert all(column.dtype == np.float64 for column in table)
    assert (np.diff(table.sigma) > 0).all()
    np.testing.assert_allclose(table.alpha_bar, 1 / (1 + table.sigma**2), rtol=1e-10)
    np.testing.assert_allclose(np.cumprod(1 - table.beta), table.alpha_bar, rtol=1e-10)


@pytest.mark.smoke
@pytest.mark.parametrize("t", POSTERIOR)
def test_the_posterior_is_the_reference_table(t):
    table = make_noise(NoiseConfig("linear"))
    got = (table.beta[t], *(column[t] for column in posterior(table)))
    np.testing.assert_allclose(got, POSTERIOR[t][:-1], rtol=6e-10)
    assert table.sigma[t] ** -2 == pytest.approx(POSTERIOR[t][-1], rel=3e-10)


def test_the_posterior_is_bayes_rule():
    """Gaussians: precisions add, and the mean is weighted by them."""
    table = make_noise(NoiseConfig("cosine"))
    by_hand = posterior(table)
    beta, before = table.beta[1:], table.alpha_bar[:-1]
    precision = (1 - beta) / beta + 1 / (1 - before)
    np.testing.assert_allclose(by_hand.variance[1:], 1 / precision, rtol=1e-10)
    of_x_t = np.sqrt(1 - beta) / beta / precision
    np.testing.assert_allclose(by_hand.of_x_t[1:], of_x_t, rtol=1e-10)
    of_x_0 = np.sqrt(before) / (1 - before) / precision
    np.testing.assert_allclose(by_hand.of_x_0[1:], of_x_0, rtol=1e-10)


def test_bounds_of_the_likelihood_follow_from_the_table():
    """Weights of the eps error, and what the start's prior costs, in bits a number."""
    table = make_noise(NoiseConfig("linear"))
    beta, tilde = table.beta, posterior(table).variance
    with np.errstate(divide="ignore"):
        weights = beta**2 / (2 * tilde * (1 - beta) * (1 - table.alpha_bar))
    wanted = [0.599672, 0.0055082, 0.0102045]
    np.testing.assert_allclose(weights[[1, 499, 999]], wanted, rtol=1e-5)

    def prior_bits(left: float, squared: float) -> float:
        return (left * squared - left - np.log1p(-left)) / 2 / np.log(2)

    last = table.alpha_bar[-1]
    assert prior_bits(last, 1) == pytest.approx(2.911e-5, rel=2e-4)
    assert prior_bits(last, 0) == pytest.approx(5.875e-10, rel=2e-4)
    last = make_noise(NoiseConfig("cosine")).alpha_bar[-1]
    assert prior_bits(last, 1) == pytest.approx(1.752e-9, rel=2e-4)


def test_zero_terminal_snr_keeps_the_first_level_and_empties_the_last():
    plain = make_noise(NoiseConfig("linear"))
    table = make_noise(NoiseConfig("linear", zero_terminal_snr=True))
    assert table.alpha_bar[0] == pytest.approx(plain.alpha_bar[0], rel=1e-12)
    assert table.alpha_bar[-1] == 0
    assert table.sigma[-1] == noise.INFINITE_SIGMA
    assert (np.diff(table.sigma) > 0).all()
    # Lin et al., arXiv 2305.08891: sqrt(abar) is shifted and scaled, so stays affine
    root, was = np.sqrt(table.alpha_bar), np.sqrt(plain.alpha_bar)
    slope = (root[0] - root[500]) / (was[0] - was[500])
    np.testing.assert_allclose(root[0] - root, slope * (was[0] - was), atol=1e-12)


@pytest.mark.parametrize("schedule", EVERY[:4])
@pytest.mark.parametrize("emptied", [False, True])
def test_few_and_many_levels_ascend_too(schedule, emptied):
    for steps in (*range(2, 20), 50, 10_000):
        table = make_noise(NoiseConfig(schedule, steps, zero_terminal_snr=emptied))
        assert (np.diff(table.sigma) > 0).all(), steps
        assert np.isfinite(np.float32(1 + table.sigma**2)).all(), steps


def test_the_two_coordinates_have_the_same_marginals():
    """x_0 + sigma noise over sqrt(1 + sigma^2) is sqrt(abar) x_0 + sqrt(1 - abar)."""
    x_0, fresh = drawn(2, 5, 3, 2)
    table = make_noise(NoiseConfig("linear"))
    sigma = jnp.asarray(table.sigma[[0, 99, 249, 499, 999]], jnp.float32)
    left = table.alpha_bar[[0, 99, 249, 499, 999]][:, None, None]
    x = noise.add_noise(x_0, sigma, fresh)
    got = noise.to_variance_preserving(x, sigma)
    wanted = np.sqrt(left) * x_0 + np.sqrt(1 - left) * fresh
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_training_levels_are_drawn_as_the_schedule_says(key):
    keys = jax.random.split(key, 4000)

    def levels_of(config: NoiseConfig) -> np.ndarray:
        draw = jax.vmap(lambda key: noise.draw_sigma(config, key))
        return np.asarray(jax.jit(draw)(keys))

    video = NoiseConfig("log_linear", 4)
    levels, counts = np.unique(levels_of(video), return_counts=True)
    np.testing.assert_allclose(levels, [0.01, 0.1, 1, 10], rtol=1e-6)
    np.testing.assert_allclose(counts, 1000, atol=100)
    edm = np.log(levels_of(NoiseConfig("edm")))
    assert edm.mean() == pytest.approx(-1.2, abs=0.06)
    assert edm.std() == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"steps": 1}, "--noise.steps=1: give 2 or more"),
        ({"sigma_min": 0.0}, "--noise.sigma_min=0.0: give more than 0"),
        ({"sigma_min": 20.0}, "--noise.sigma_min=20.0: give more than 0 and less"),
        ({"schedule": "edm", "zero_terminal_snr": True}, "edm ends at noise.sigma_max"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        NoiseConfig(**fields)
