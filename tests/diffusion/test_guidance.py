"""Guidance against its formula, in every prediction's words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.diffusion import denoising, samplers
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.guidance import GuidanceConfig, guided
from nnguide.diffusion.samplers import SamplerConfig

MIXTURE = jax.jit(
    denoising.ideal_of_mixture(jnp.array([[1.0], [-1.0]]), jnp.array([0.5, 0.5]))
)
PLUS = jnp.array([0.0, -jnp.inf])
BOTH = jnp.zeros(2)


def drawn(count: int, *shape: int) -> list[jax.Array]:
    """Standard normal arrays, float64 where that is enabled."""
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape)) for _ in range(count)]


@pytest.mark.smoke
def test_two_gaussians_guided_by_hand():
    with jax.enable_x64(True):
        means, std = jnp.array([[1.0], [-1.0]]), jnp.array([0.5, 0.5])
        denoise = denoising.ideal_of_mixture(means, std)
        by_two = guided(denoise, jnp.zeros(2), GuidanceConfig(2.0))
        got = by_two(jnp.array([[0.3]]), jnp.array([1.0]), PLUS[None])
        assert float(got[0, 0]) == pytest.approx(2.083206801, abs=1e-9)
        assert float(got[0, 0]) - 0.3 == pytest.approx(1.783206801, abs=1e-9)


@pytest.mark.smoke
@pytest.mark.parametrize("alpha", [-1.0, -0.5, 0.0, 0.5, 3.0])
def test_guided_is_conditioned_plus_alpha_times_the_difference(alpha):
    (x,) = drawn(1, 5, 1)
    sigma = jnp.linspace(0.3, 2, 5)
    plus = jnp.broadcast_to(PLUS, (5, 2))
    conditioned, unconditioned = (MIXTURE(x, sigma, c) for c in (plus, None))
    got = guided(MIXTURE, BOTH, GuidanceConfig(alpha))(x, sigma, plus)
    wanted = conditioned + alpha * (conditioned - unconditioned)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_alpha_zero_is_the_denoiser_itself():
    assert guided(MIXTURE, BOTH, GuidanceConfig(0.0)) is MIXTURE


def test_eps_x0_and_v_are_guided_alike_unless_clipped_before():
    """A network for each prediction, all of the same ideal; their samples agree."""
    (x,) = drawn(1, 6, 1)
    sigma = jnp.full(6, 1.5)
    plus = jnp.broadcast_to(PLUS, (6, 2))
    alpha = 2.0
    answers = {}
    for predict in ("eps", "x0", "v", "edm"):
        config = DenoisingConfig(predict)
        skip, scale, _ = (each[:, None] for each in denoising.target(config, sigma))
        said = [(MIXTURE(x, sigma, c) - skip * x) / scale for c in (plus, None)]
        answer = said[0] + alpha * (said[0] - said[1])  # guide what is predicted
        answers[predict] = skip * x + scale * answer
    got = guided(MIXTURE, BOTH, GuidanceConfig(alpha))(x, sigma, plus)
    for guided_answer in answers.values():
        np.testing.assert_allclose(guided_answer, got, atol=1e-5)

    def clipped(x, sigma, condition):
        return jnp.clip(MIXTURE(x, sigma, condition), -1, 1)

    before = guided(clipped, BOTH, GuidanceConfig(alpha))(x, sigma, plus)
    assert abs(before - jnp.clip(got, -1, 1)).max() > 0.1


def test_both_conditions_go_through_in_one_batch():
    """Trees of conditions, embeddings and labels alike."""
    sizes = []

    def denoise(x, sigma, condition):
        sizes.append((len(x), len(sigma), len(condition["label"])))
        level = condition["words"].sum((1, 2)) + condition["label"]
        return x * level[:, None]

    nothing = {"words": jnp.zeros((2, 3)), "label": jnp.array(10)}
    condition = {"words": jnp.ones((4, 2, 3)), "label": jnp.arange(4)}
    (x,) = drawn(1, 4, 2)
    got = guided(denoise, nothing, GuidanceConfig(1.0))(x, jnp.ones(4), condition)
    levels = 6 + np.arange(4.0)
    wanted = np.asarray(x) * (levels + (levels - 10))[:, None]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert sizes == [(8, 8, 8)]


def test_outside_of_the_interval_there_is_no_unconditional_pass(key):
    passes = []

    def denoise(x, sigma, condition):
        jax.debug.callback(lambda s: passes.append((len(s), float(s[0]))), sigma)
        return MIXTURE(x, sigma, condition)

    plus = jnp.broadcast_to(PLUS, (3, 2))
    config = GuidanceConfig(2.0, guidance_interval=(0.5, 2.0))
    sigmas = np.array([4.0, 2.0, 1.0, 0.5, 0.25])
    keys = jax.random.split(key, 3)
    x = samplers.starting_noise(keys, (1,), sigmas[0])
    sampler = SamplerConfig("ddim", 4)

    def run(denoise):
        return jax.jit(
            lambda: samplers.sample(denoise, x, keys, sampler, sigmas, plus).x
        )()

    got = run(guided(denoise, BOTH, config))
    jax.effects_barrier()
    assert sorted(passes) == [(3, 0.5), (3, 4.0), (6, 1.0), (6, 2.0)]

    def by_hand(x, sigma, condition):
        inside = (sigma[:, None] > 0.5) & (sigma[:, None] <= 2.0)
        always = guided(MIXTURE, BOTH, GuidanceConfig(2.0))(x, sigma, condition)
        return jnp.where(inside, always, MIXTURE(x, sigma, condition))

    np.testing.assert_allclose(got, run(by_hand), atol=1e-5)


def test_mixed_levels_are_guided_each_on_its_own():
    (x,), sigma = drawn(1, 3, 1), jnp.array([0.4, 1.0, 3.0])
    plus = jnp.broadcast_to(PLUS, (3, 2))
    config = GuidanceConfig(2.0, guidance_interval=(0.5, 2.0))
    got = guided(MIXTURE, BOTH, config)(x, sigma, plus)
    always = guided(MIXTURE, BOTH, GuidanceConfig(2.0))(x, sigma, plus)
    plain = MIXTURE(x, sigma, plus)
    np.testing.assert_allclose(
        got, jnp.stack([plain[0], always[1], plain[2]]), rtol=1e-6
    )


def test_rescaling_brings_the_spread_back():
    (x,) = drawn(1, 3, 4, 5)
    denoise = lambda x, sigma, condition: condition[:, None, None] * x  # noqa: E731
    condition, sigma = jnp.array([1.0, 2.0, 0.0]), jnp.ones(3)
    for share in (0.0, 0.7, 1.0):
        config = GuidanceConfig(3.0, guidance_rescale=share)
        got = guided(denoise, jnp.array(0.5), config)(x, sigma, condition)
        plain = 4 * condition - 1.5
        size = jnp.where(plain == 0, 1, abs(plain))
        wanted = plain * (share * condition / size + 1 - share)
        np.testing.assert_allclose(got, wanted[:, None, None] * x, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"guidance_alpha": -1.5}, "--guidance_alpha=-1.5: give -1"),
        ({"guidance_alpha": float("nan")}, "--guidance_alpha=nan: give -1"),
        ({"guidance_interval": (1.0,)}, "--guidance_interval=1.0: give LOW,HIGH"),
        (
            {"guidance_interval": (2.0, 1.0)},
            "--guidance_interval=2.0,1.0: give LOW,HIGH",
        ),
        ({"guidance_rescale": 1.5}, "--guidance_rescale=1.5: give a share"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        GuidanceConfig(**fields)
