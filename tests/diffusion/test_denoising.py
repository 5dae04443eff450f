"""Conversions, weights and ideal denoisers against closed forms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.diffusion import denoising
from nnguide.diffusion.denoising import DenoisingConfig, Predict
from nnguide.diffusion.noise import NoiseConfig, Schedule, add_noise, make_noise

PREDICT: tuple[Predict, ...] = ("eps", "x0", "v", "edm")
SIGMA = np.array([0.002, 0.5, 1.0, 80.0])
# EDM at sigma_data = 0.5: skip, scale, inward, noise level, weight
EDM = [
    (0.999984, 0.001999984, 1.999984, -1.553652, 250004),
    (0.5, 0.35355339, 1.41421356, -0.1732868, 8),
    (0.2, 0.4472136, 0.89442719, 0, 5),
    (3.9060974e-5, 0.49999023, 0.012499756, 1.0955067, 4.0001562),
]


def drawn(count: int, *shape: int) -> list[jax.Array]:
    """Standard normal arrays, float64 where that is enabled."""
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for _ in range(count)]


@pytest.mark.smoke
def test_edm_preconditions_as_its_paper_tabulates():
    config = DenoisingConfig("edm", "edm")
    with jax.enable_x64(True):
        sigma = jnp.asarray(SIGMA)
        skip, scale, inward = denoising.target(config, sigma)
        level = denoising.noise_level(sigma)
        of_x_0 = dataclasses.replace(config, predict="x0")
        weight = denoising.weight(of_x_0, sigma)
        got = np.stack([skip, scale, inward, level, weight], axis=1)
        np.testing.assert_allclose(denoising.weight(config, sigma), 1, rtol=1e-12)
    np.testing.assert_allclose(got, EDM, rtol=4e-7)


def test_min_snr_weighs_as_its_paper_does():
    sigma = jnp.array([make_noise(NoiseConfig("linear")).sigma[99]])
    wanted: dict[Predict, float] = {"eps": 0.574023, "v": 0.514909, "x0": 5.0}
    for predict, value in wanted.items():
        config = DenoisingConfig(predict, "min_snr")
        assert float(denoising.weight(config, sigma)[0]) == pytest.approx(
            value, rel=1e-5
        )


@pytest.mark.smoke
@pytest.mark.parametrize("predict", PREDICT)
def test_who_answers_as_wanted_finds_x_0(predict):
    """wanted() and denoiser() are inverse to each other, at every level."""
    config = DenoisingConfig(predict)
    with jax.enable_x64(True):
        x_0, noise = drawn(2, 4, 3, 2)
        sigma = jnp.asarray(SIGMA)
        answer = denoising.wanted(config, x_0, sigma, noise)
        denoise = denoising.denoiser(lambda *_: answer, config)
        x = add_noise(x_0, sigma, noise)
        np.testing.assert_allclose(denoise(x, sigma, None), x_0, atol=1e-10)
        noise_again = denoising.noise_in(x, sigma, denoise(x, sigma, None))
        np.testing.assert_allclose(noise_again, noise, atol=1e-10)


def test_v_is_salimans_and_hos():
    x_0, noise = drawn(2, 1, 3)
    sigma = jnp.array([0.75])
    wanted = 0.8 * noise - 0.6 * x_0  # abar = 1 / (1 + 0.75^2) = 0.64
    got = denoising.wanted(DenoisingConfig("v"), x_0, sigma, noise)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


@pytest.mark.parametrize("weighting", ["min_snr", "edm"])
def test_a_weighted_loss_is_the_same_whatever_is_predicted(weighting):
    """Weights are of errors in x_0, so a wrong x_0 costs the same in any words."""
    x_0, noise, off = drawn(3, 3, 4)
    sigma = jnp.array([0.3, 1.0, 4.0])
    x = add_noise(x_0, sigma, noise)
    costs = []
    for predict in PREDICT:
        config = DenoisingConfig(predict, weighting)
        skip, scale, _ = denoising.target(config, sigma)
        answer = (x_0 + off - skip[:, None] * x) / scale[:, None]

        def network(inputs, level, condition, answer=answer):
            return answer

        costs.append(denoising.loss(network, config, x_0, sigma, noise))
        of_x_0 = denoising.weight(dataclasses.replace(config, predict="x0"), sigma)
        wanted = of_x_0 * (off**2).mean(axis=1)
        np.testing.assert_allclose(costs[-1], wanted, rtol=2e-4)


def test_the_network_sees_variance_one_and_is_told_the_level():
    x_0, noise = drawn(2, 1, 100_000)
    sizes: dict[Predict, float] = {"v": 1.0, "edm": 0.5}
    for predict, size in sizes.items():
        for sigma in (0.1, 10.0):
            seen = []

            def network(inputs, level, condition, seen=seen):
                seen.append((float(inputs.std()), float(level[0]), condition))
                return inputs

            config = DenoisingConfig(predict)
            at = jnp.array([sigma])
            denoising.loss(network, config, size * x_0, at, noise, "red")
            denoising.denoiser(network, config)(
                add_noise(size * x_0, at, noise), at, "red"
            )
            for std, level, condition in seen:
                assert std == pytest.approx(1, abs=0.01)
                assert level == pytest.approx(np.log(sigma) / 4)
                assert condition == "red"
            assert len(seen) == 2


@pytest.mark.smoke
def test_the_ideal_denoiser_of_one_gaussian_is_linear():
    """E[x_0 | x] = mean + s^2 / (s^2 + sigma^2) (x - mean)."""
    with jax.enable_x64(True):
        x, mean = drawn(2, 4, 3, 2)
        sigma, std = jnp.asarray(SIGMA), 0.7
        denoise = denoising.ideal_of_mixture(mean[:1], jnp.array([std]))
        gain = (std**2 / (std**2 + sigma**2))[:, None, None]
        wanted = mean[:1] + gain * (x - mean[:1])
        np.testing.assert_allclose(denoise(x, sigma, None), wanted, atol=1e-10)


def test_the_bayes_errors_of_gaussian_data_are_the_floors():
    """Mean over t of abar s^2 / (abar s^2 + 1 - abar), which no training beats."""
    floors: dict[tuple[Schedule, float], float] = {
        ("linear", 1.0): 0.275513, ("linear", 0.5): 0.173053,
        ("cosine", 1.0): 0.495578, ("cosine", 0.5): 0.327653,
    }  # fmt: skip
    for (schedule, std), wanted in floors.items():
        with jax.enable_x64(True):
            sigma = jnp.asarray(make_noise(NoiseConfig(schedule)).sigma)
            denoise = jax.jit(
                denoising.ideal_of_mixture(jnp.zeros((1, 1)), jnp.array([std]))
            )
            # eps's error is linear in noise and x_0, whose variances are 1 and s^2
            of_noise = 1 - denoising.noise_in(
                sigma[:, None], sigma, denoise(sigma[:, None], sigma, None)
            )
            one = jnp.ones((len(sigma), 1))
            of_x_0 = denoising.noise_in(one, sigma, denoise(one, sigma, None))
            error = (of_noise**2 + std**2 * of_x_0**2).mean()
        assert float(error) == pytest.approx(wanted, abs=6e-7)


def test_scores_of_two_gaussians_are_the_closed_form():
    """Classes N(+-1, 1/4) at sigma = 1 and x = 0.3, by hand."""
    with jax.enable_x64(True):
        means, std = jnp.array([[1.0], [-1.0]]), jnp.array([0.5, 0.5])
        denoise = jax.jit(denoising.ideal_of_mixture(means, std))
        x, sigma = jnp.array([[0.3]]), jnp.array([1.0])
        plus = jnp.array([[0.0, -jnp.inf]])
        conditioned, unconditioned = (denoise(x, sigma, c) for c in (plus, None))
        score_c, score_u = conditioned - x, unconditioned - x
        assert float(conditioned[0, 0]) == pytest.approx(0.86, abs=1e-10)
        assert float(score_c[0, 0]) == pytest.approx(0.56, abs=1e-10)
        assert float(score_u[0, 0]) == pytest.approx(-0.051603400, abs=1e-9)
        m, v = 1.0, 1.25
        wanted = 2 * m / v * jax.nn.sigmoid(-2 * m * 0.3 / v)
        assert float((score_c - score_u)[0, 0]) == pytest.approx(float(wanted))


def test_points_are_gaussians_of_no_width_and_the_score_is_a_gradient():
    with jax.enable_x64(True):
        points, x, shares = (*drawn(2, 6, 2, 2), *drawn(1, 4, 6))
        x = x[:4]
        sigma = jnp.array([0.3, 0.5, 1.0, 3.0])
        denoise = jax.jit(denoising.ideal_of_points(points))

        def log_density(x, sigma, shares):
            squares = ((x[None] - points) ** 2).sum((1, 2))
            return jax.nn.logsumexp(shares - squares / (2 * sigma**2))

        score = jax.jit(jax.vmap(jax.grad(log_density)))(x, sigma, shares)
        got = -denoising.noise_in(x, sigma, denoise(x, sigma, shares))
        wanted = sigma[:, None, None] * score
        np.testing.assert_allclose(got, wanted, atol=1e-10)
        near = denoise(points[:4] + 1e-3, jnp.full(4, 0.01), None)
        np.testing.assert_allclose(near, points[:4], atol=1e-10)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sigma_data": 0.0}, "--denoising.sigma_data=0.0: give more than 0"),
        ({"min_snr_gamma": -1.0}, "--denoising.min_snr_gamma=-1.0: give more than 0"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        DenoisingConfig(**fields)


def test_eps_cannot_tell_an_image_that_is_gone():
    noise = NoiseConfig("linear", zero_terminal_snr=True)
    with pytest.raises(
        InputError, match=r"--denoising.predict=eps: .* predict v or x0"
    ):
        denoising.check_pair(DenoisingConfig("eps"), noise)
    denoising.check_pair(DenoisingConfig("v"), noise)
