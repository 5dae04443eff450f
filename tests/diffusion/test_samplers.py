"""Samplers against the affine recursion, reference tables and each other."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.diffusion import denoising, samplers
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.samplers import (
    Coefficients,
    SamplerConfig,
    coefficients,
    sampling_sigmas,
    timesteps,
)

LINEAR = NoiseConfig("linear")
EDM = NoiseConfig("edm", sigma_min=0.002, sigma_max=80.0)
NAMES = ("ddpm", "ddpm_without_noise", "ddim", "heun", "dpmpp_2m")
COMPILED = (
    SamplerConfig("ddpm", 7),
    SamplerConfig("ddim", 7, eta=0.5),
    SamplerConfig("heun", 7),
    SamplerConfig("dpmpp_2m", 7),
)
# data's std -> std of samples: ddpm, with beta's variance, without noise, ddim (1,000
# steps); ddpm, ddim (50, trailing), ddim (50, leading)
FINAL_STD = {
    1.0: (0.995524, 0.999950, 0.006353, 0.998124, 0.925966, 0.963551, 0.964079),
    0.5: (0.496110, 0.500752, 0.001588, 0.498495, 0.444100, 0.471403, 0.472439),
    0.25: (0.246279, 0.250936, 0.000397, 0.248531, 0.205732, 0.223589, 0.225558),
}
OF_TABLE = (
    SamplerConfig("ddpm", 1000),
    SamplerConfig("ddpm", 1000, variance="beta"),
    SamplerConfig("ddpm_without_noise", 1000),
    SamplerConfig("ddim", 1000),
    SamplerConfig("ddpm", 50),
    SamplerConfig("ddim", 50),
    SamplerConfig("ddim", 50, spacing="leading"),
)


def recursion(
    table: Coefficients, mean: float, std: float, x_mean: float, x_std: float
) -> tuple[float, float]:
    """Mean and std of samples of N(mean, std^2), whose denoiser is affine.

    The state is x, the x before and the x_0 before, all minus the data's mean.
    """
    centre = np.array([x_mean - mean, 0.0, 0.0])
    spread = np.diag([x_std**2, 0.0, 0.0])
    for sigma, (a, b, c, d, e) in zip(table.sigma, table.of, strict=True):
        gain = std**2 / (std**2 + sigma**2)
        move = np.array([[a + b * gain, c, d], [1, 0, 0], [gain, 0, 0]])
        centre, spread = move @ centre, move @ spread @ move.T
        spread[0, 0] += e**2
    return mean + centre[0], float(np.sqrt(spread[0, 0]))


def follow(
    table: Coefficients,
    x: np.ndarray,
    denoise: Callable[[np.ndarray, float], np.ndarray],
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """The table's rows one after the other, in NumPy's float64."""
    before, clean_before = np.zeros_like(x), np.zeros_like(x)
    for number, (sigma, (a, b, c, d, e)) in enumerate(
        zip(table.sigma, table.of, strict=True)
    ):
        clean = denoise(x, sigma)
        after = a * x + b * clean + c * before + d * clean_before
        x, before, clean_before = after, x, clean
        x = x if noise is None else x + e * noise[number]
    return x


def final(config: SamplerConfig, noise: NoiseConfig, mean: float, std: float):
    """From N(0, 1) in variance-preserving coordinates."""
    sigmas = sampling_sigmas(noise, config)
    size = np.sqrt(1 + sigmas[0] ** 2) if noise is LINEAR else sigmas[0]
    return recursion(coefficients(config, sigmas), mean, std, 0.0, size)


@pytest.mark.smoke
@pytest.mark.parametrize("std", FINAL_STD)
def test_samples_of_a_gaussian_have_the_std_of_the_table(std):
    got = [final(config, LINEAR, 0.0, std)[1] for config in OF_TABLE]
    np.testing.assert_allclose(got, FINAL_STD[std], atol=6e-7)


@pytest.mark.smoke
def test_without_noise_a_sampler_gives_the_mean_given_pure_noise():
    """The gain is that of E[x_0 | x_T], independent of the number of steps."""
    for steps in (5, 50, 1000):
        config = SamplerConfig("ddpm_without_noise", steps)
        _, std = final(config, LINEAR, 0.0, 1.0)
        assert std == pytest.approx(np.sqrt(4.035829765e-5), rel=1e-9)


def test_a_schedule_that_keeps_some_signal_shifts_the_mean():
    means = [final(SamplerConfig(n, 1000), LINEAR, 2.0, 1.0)[0] for n in NAMES[::2]]
    assert means[0] == pytest.approx(1.99992, abs=6e-6)
    assert means[1] == pytest.approx(1.98732, abs=6e-6)


def test_heun_is_of_second_order_and_ddim_of_first():
    wanted = {9: 0.639060, 18: 0.527624637, 36: 0.506097, 72: 0.501426, 144: 0.500336,
              288: 0.500072}  # fmt: skip
    heun = {n: final(SamplerConfig("heun", n), EDM, 0.0, 0.5)[1] for n in wanted}
    np.testing.assert_allclose(list(heun.values()), list(wanted.values()), atol=6e-7)
    euler = [final(SamplerConfig("ddim", n), EDM, 0.0, 0.5)[1] for n in (18, 36, 72)]
    np.testing.assert_allclose(euler, [0.423031, 0.460996, 0.480369], atol=6e-7)
    exact = 80 * 0.5 / np.hypot(80, 0.5)
    multistep = [
        final(SamplerConfig("dpmpp_2m", n), EDM, 0.0, 0.5)[1] for n in (144, 288)
    ]
    for coarse, fine in ((heun[144], heun[288]), multistep):
        assert 3.8 < (coarse - exact) / (fine - exact) < 4.6
    assert 1.9 < (exact - euler[1]) / (exact - euler[2]) < 2.1


# Largest error of the deviation of samples, by the number of steps.
ERRORS = {
    "heun": {10: 0.18, 25: 0.025, 50: 0.01},
    "dpmpp_2m": {10: 0.18, 25: 0.075, 50: 0.035},
    "ddim": {10: 0.27, 25: 0.11, 50: 0.06},
    "ddpm": {10: 0.41, 25: 0.21, 50: 0.12},
}
PAIRS = [
    NoiseConfig(schedule, zero_terminal_snr=emptied)
    for schedule in ("linear", "cosine", "scaled_linear", "sigmoid")
    for emptied in (False, True)
] + [NoiseConfig("log_linear"), EDM]


@pytest.mark.smoke
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_data_of_variance_1_keep_it_on_every_schedule(name, spacing):
    """Their denoiser is exact, x / (1 + sigma^2): errors are the sampler's own."""
    for noise in PAIRS:
        for steps, error in ERRORS[name].items():
            config = SamplerConfig(name, steps, spacing=spacing)
            sigmas = sampling_sigmas(noise, config)
            size = np.sqrt(1 + sigmas[0] ** 2)
            _, std = recursion(coefficients(config, sigmas), 0.0, 1.0, 0.0, size)
            assert abs(std - 1) < error, (noise, steps, std)


def test_a_step_down_from_pure_noise_is_left_uncorrected_and_no_other():
    cosine, config = NoiseConfig("cosine"), SamplerConfig("heun", 25)
    steps = coefficients(config, sampling_sigmas(cosine, config)).step
    assert np.bincount(steps).tolist() == [1] + [2] * 23 + [1]
    mean, std = recursion(
        coefficients(config, sampling_sigmas(cosine, config)), 2.0, 0.5, 0.0, 20290.0
    )
    assert mean == pytest.approx(2.0, abs=2e-3)  # no signal of the start is left
    assert std == pytest.approx(0.5, abs=5e-3)


@pytest.mark.parametrize("config", COMPILED, ids=lambda config: config.name)
def test_samplers_follow_the_affine_recursion(config):
    """The compiled scan against NumPy: the mean exactly, noise by its seed."""
    mean, std, batch = 0.3, 0.5, 3
    noise = NoiseConfig("log_linear", sigma_max=20.0)
    sigmas = sampling_sigmas(noise, config)
    table = coefficients(config, sigmas)
    keys = jax.random.split(jax.random.key(0), batch)
    x = samplers.starting_noise(keys, (2, 2), sigmas[0])
    denoise = denoising.ideal_of_mixture(jnp.full((1, 2, 2), mean), jnp.array([std]))
    run = jax.jit(
        functools.partial(samplers.sample, denoise, config=config, sigmas=sigmas)
    )
    got = run(x, keys).x

    draw = jax.vmap(
        lambda key, row: jax.random.normal(jax.random.fold_in(key, row + 1), (2, 2)),
        (0, None),
    )
    rows = jnp.arange(len(table.sigma))
    fresh = jax.jit(lambda keys: jax.lax.map(lambda row: draw(keys, row), rows))(keys)

    def pull(x, sigma):
        return mean + std**2 / (std**2 + sigma**2) * (x - mean)

    wanted = follow(table, np.asarray(x, np.float64), pull, np.asarray(fresh))
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_all_steps_of_ddim_with_eta_one_are_ddpm():
    ddim = SamplerConfig("ddim", 1000, eta=1.0)
    sigmas = sampling_sigmas(LINEAR, ddim)
    as_ddim = coefficients(ddim, sigmas)
    as_ddpm = coefficients(SamplerConfig("ddpm", 1000), sigmas)
    np.testing.assert_allclose(as_ddim.of, as_ddpm.of, atol=1e-9)


def test_ddpm_is_the_posterior_of_the_schedule():
    """The same step in variance-preserving coordinates, entry by entry."""
    from nnguide.diffusion.noise import make_noise, posterior

    table = make_noise(LINEAR)
    wanted = posterior(table)
    rows = coefficients(
        SamplerConfig("ddpm", 1000), sampling_sigmas(LINEAR, SamplerConfig(steps=1000))
    ).of[::-1]
    before = np.concatenate([[1.0], table.alpha_bar[:-1]])
    np.testing.assert_allclose(rows[:, 1] * np.sqrt(before), wanted.of_x_0, rtol=1e-9)
    of_x_t = rows[:, 0] * np.sqrt(before / table.alpha_bar)
    np.testing.assert_allclose(of_x_t, wanted.of_x_t, atol=1e-12)
    variance = rows[:, 4] ** 2 * before
    np.testing.assert_allclose(variance, wanted.variance, rtol=1e-9)
    large = coefficients(
        SamplerConfig("ddpm", 1000, variance="beta"),
        sampling_sigmas(LINEAR, SamplerConfig(steps=1000)),
    ).of[::-1]
    np.testing.assert_allclose(
        large[1:, 4] ** 2 * before[1:], table.beta[1:], rtol=1e-9
    )


def test_first_order_of_dpmpp_is_ddim():
    sigmas = sampling_sigmas(EDM, SamplerConfig(steps=9))
    multistep = coefficients(SamplerConfig("dpmpp_2m", 9), sigmas).of
    ddim = coefficients(SamplerConfig("ddim", 9), sigmas).of
    np.testing.assert_allclose(multistep[[0, -1]], ddim[[0, -1]], atol=1e-12)
    np.testing.assert_allclose(
        multistep[:, 1] + multistep[:, 3], ddim[:, 1], atol=1e-12
    )
    assert abs(multistep[1:-1, 3]).min() > 0.01


def test_one_point_is_hit_exactly_in_any_number_of_steps():
    for name in ("ddim", "heun", "dpmpp_2m"):
        for steps in (1, 2, 5):
            config = SamplerConfig(name, steps)
            table = coefficients(config, sampling_sigmas(EDM, config))
            got = follow(table, np.array([80.0, -30.0]), lambda x, sigma: 0.3 + 0 * x)
            np.testing.assert_allclose(got, 0.3, atol=1e-12)


def test_ddim_there_and_back_returns_the_image():
    """Up the levels and down again; the error falls with the number of steps."""
    std, image, errors = 0.3, np.array([0.8, -1.2, 0.1]), []

    def denoise(x, sigma):  # of N(1, std^2) and N(-1, std^2)
        variance = std**2 + sigma**2
        return (np.tanh(x / variance) * sigma**2 + std**2 * x) / variance

    for steps in (100, 200, 400):
        down, config = np.geomspace(10, 0.01, steps), SamplerConfig("ddim", steps)
        noised = follow(coefficients(config, down[::-1]), image, denoise)
        back = follow(coefficients(config, down), noised, denoise)
        errors.append(abs(back - image).max())
    assert errors[0] > 1.7 * errors[1] > 3.1 * errors[2] > 0
    assert errors[2] < 0.05


def test_a_sample_depends_on_its_own_key_alone(key):
    config = SamplerConfig("ddpm", 6)
    sigmas = sampling_sigmas(LINEAR, config)
    keys = jax.random.split(key, 4)
    denoise = denoising.ideal_of_mixture(jnp.array([[0.0, 1.0]]), jnp.array([0.5]))

    @jax.jit
    def run(keys):
        x = samplers.starting_noise(keys, (2,), sigmas[0])
        return samplers.sample(denoise, x, keys, config, sigmas).x

    together = run(keys)
    np.testing.assert_allclose(run(keys[2:3]), together[2:3], rtol=1e-5)
    np.testing.assert_array_equal(run(keys), together)
    others = run(jax.random.split(jax.random.fold_in(key, 1), 4))
    assert abs(np.asarray(others) - together).min() > 1e-4


@pytest.mark.parametrize("name", ["ddpm", "heun"])
def test_kept_images_are_those_of_shorter_runs(name, key):
    config = SamplerConfig(name, 7)
    sigmas = np.geomspace(5, 0.1, 8)
    keys = jax.random.split(key, 2)
    x = samplers.starting_noise(keys, (3,), sigmas[0])
    denoise = denoising.ideal_of_points(jnp.eye(3))
    run = functools.partial(samplers.sample, denoise, x, keys, config)
    got = run(sigmas, keep_every=3)
    kept = np.asarray(got.kept)
    assert kept.shape == (4, 2, 3)  # start, 3, 6, 7
    np.testing.assert_array_equal(kept[0], x)
    np.testing.assert_array_equal(kept[-1], got.x)
    shorter = run(sigmas[:7])
    np.testing.assert_allclose(kept[2], shorter.x, atol=1e-5)
    assert shorter.kept is None


def test_estimates_are_clipped_where_asked():
    config = SamplerConfig("ddim", 3, clip=0.5)
    keys = jax.random.split(jax.random.key(0), 2)
    denoise = denoising.ideal_of_points(jnp.array([[2.0, -0.25]]))
    got = samplers.sample(
        denoise, jnp.ones((2, 2)), keys, config, np.array([1, 0.5, 0.0])
    )
    np.testing.assert_allclose(got.x, [[0.5, -0.25]] * 2, atol=1e-6)


@pytest.mark.smoke
def test_spacings_are_those_of_the_papers():
    assert timesteps(1000, 50, "leading")[[0, 1, -2, -1]].tolist() == [980, 960, 20, 0]
    assert timesteps(1000, 50, "trailing")[[0, 1, -1]].tolist() == [999, 979, 19]
    assert timesteps(1000, 10, "trailing").tolist() == list(range(999, 0, -100))
    assert timesteps(1000, 10, "linspace").tolist() == list(range(999, -1, -111))
    respaced = timesteps(1000, 50, "linspace")[::-1]
    assert respaced[[0, 1, 2, 3, 4, -2, -1]].tolist() == [0, 20, 41, 61, 82, 979, 999]
    for spacing in ("leading", "trailing", "linspace"):
        for steps in (1, 3, 7, 999, 1000):
            chosen = timesteps(1000, steps, spacing)
            assert len(set(chosen)) == steps
            assert chosen.min() >= 0


def test_evaluations_a_step():
    sigmas = sampling_sigmas(EDM, SamplerConfig(steps=18))
    assert len(sigmas) == 19
    assert len(coefficients(SamplerConfig("heun", 18), sigmas).sigma) == 35
    assert len(coefficients(SamplerConfig("dpmpp_2m", 18), sigmas).sigma) == 18


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"steps": 0}, "--sampler.steps=0: give 1 or more"),
        ({"eta": 2.0}, "--sampler.eta=2.0: give a share from 0 to 1"),
        ({"name": "heun", "eta": 0.5}, "--sampler.eta=0.5: heun has none; choose"),
        ({"variance": "beta"}, "--sampler.variance=beta: ddim has none; choose"),
        ({"clip": -1.0}, "--sampler.clip=-1.0: give 0"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        SamplerConfig(**fields)


def test_more_steps_than_the_schedule_has_are_refused():
    config = dataclasses.replace(LINEAR, steps=100)
    with pytest.raises(InputError, match=r"--sampler.steps=101: the schedule has 100"):
        sampling_sigmas(config, SamplerConfig(steps=101))
    assert len(sampling_sigmas(config, SamplerConfig(steps=100))) == 101
