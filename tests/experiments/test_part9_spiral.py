"""Part 9's spiral: its measures against known clouds, its floors, its studies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments import part9_diffusion as part9
from experiments.part9 import (
    spiral,
    spiral_exact,
    spiral_guidance,
    spiral_measures,
    spiral_network,
    spiral_samples,
    spiral_trained,
)
from experiments.part9.setting import Setting
from nnguide.config import InputError
from nnguide.data.spiral import place
from nnguide.diffusion.guidance import GuidanceConfig
from nnguide.diffusion.point_network import PointNetworkConfig
from nnguide.diffusion.samplers import SamplerConfig

TOY = spiral.Config(steps=50, class_steps=50, sampler_steps=(10,), samples=150)


@pytest.fixture
def setting(tmp_path) -> Setting:
    guidance = GuidanceConfig(1.0)
    return Setting(0, tmp_path, "light", SamplerConfig("heun", 5), guidance)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"steps": 60}, "--spiral.steps=60: give a multiple of 50"),
        ({"class_steps": 0}, "--spiral.class_steps=0: give a multiple of 50"),
        ({"samples": 9}, "--spiral.samples=9: give 100 or more"),
        ({"sampler_steps": (9, 5)}, "--spiral.sampler_steps=9,5: give one or more"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        spiral.Config(**fields)


PARTS = {
    "exact": (
        lambda setting: spiral_exact.study((10,), 150, False, setting),
        ["spiral_steps"],
    ),
    "trained": (
        lambda setting: spiral_trained.study(50, 150, False, setting),
        ["spiral_samplers", "spiral_field", "spiral_loss"],
    ),
    "guidance": (
        lambda setting: spiral_guidance.study(50, 150, False, setting),
        [
            "spiral_guidance",
            "spiral_guidance_alpha",
            "spiral_arrows",
            "spiral_classes",
        ],
    ),
}


@pytest.mark.parametrize(
    "name",  # many samplers take their time to compile
    [
        "exact",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("trained", "guidance")),
    ],
)
def test_a_toy_study_claims_nothing_unexpected_and_draws(name, setting):
    study, pictures = PARTS[name]
    claims, figures = study(setting)
    assert len({claim.id for claim in claims}) == len(claims)
    assert not [claim.id for claim in claims if claim.as_expected is False]
    assert figures == [f"figures/{picture}.png" for picture in pictures]
    for figure in figures:
        with Image.open(setting.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((setting.workdir / figure).with_suffix(".npz")).files


def test_the_launcher_hands_its_flags_to_the_study(tmp_path, monkeypatch):
    seen = []

    def study(config, setting):
        seen.append((config, setting))
        return [], []

    monkeypatch.setattr(spiral, "study", study)
    part9.run(
        part9.Config(
            workdir=str(tmp_path), spiral=TOY, guidance=GuidanceConfig(2.0), seed=3
        )
    )
    ((config, setting),) = seen
    assert config is TOY
    assert setting.seed == 3
    assert setting.guidance.guidance_alpha == 2.0
    assert setting.sampler == SamplerConfig()


@pytest.mark.smoke
def test_the_measures_know_fair_and_collapsed_clouds():
    rng = np.random.default_rng(0)
    fair = place(rng.uniform(size=2000))
    cloud = spiral_measures.measure(fair)
    assert cloud.on_spiral == 1
    assert cloud.coverage == 1
    assert cloud.variation == pytest.approx(0.039, abs=0.02)
    assert cloud.radius == pytest.approx(0.667, abs=0.02)
    inside = spiral_measures.measure(place(rng.uniform(0, 0.1, size=2000)))
    assert inside.coverage == pytest.approx(0.1)
    assert inside.variation == pytest.approx(0.9, abs=0.01)
    off = spiral_measures.measure(1.1 * place(np.full(100, 1.0)))
    assert off.on_spiral == 0


def test_classes_are_thirds_of_the_spiral():
    rng = np.random.default_rng(0)
    outer = place(rng.uniform(0.68, 0.99, size=1000))
    cloud = spiral_measures.measure_class(outer, 2)
    assert (cloud.in_class, cloud.on_spiral) == (1, 1)
    assert cloud.coverage >= 0.9
    assert spiral_measures.measure_class(outer[outer[:, 0] < 0], 2).coverage < 0.8
    everywhere = place(rng.uniform(size=6000))
    anywhere = spiral_measures.measure_class(everywhere, 0)
    assert anywhere.in_class == pytest.approx(1 / 3, abs=0.02)
    assert spiral_measures.in_class(outer, np.full(1000, 2)) == 1
    assert spiral_measures.in_class(outer, np.arange(1000) % 4) == 0.25


def test_the_floors_of_the_loss_are_the_closed_form():
    """Mean squared error of the noise that no denoiser beats, level by level."""
    wanted = {0.01: 0.0795, 0.03: 0.339, 0.1: 0.695, 0.3: 0.692, 1.0: 0.180,
              3.0: 0.0238, 10.0: 0.00219}  # fmt: skip
    got = spiral_samples.noise_errors(
        spiral_samples.exact, spiral_samples.POINTS, np.array(list(wanted)), 0
    )
    np.testing.assert_allclose(got, list(wanted.values()), atol=0.04)
    assert spiral_exact.loss_floor(0) == pytest.approx(0.329, abs=0.004)


@pytest.mark.smoke
def test_arrows_point_at_the_mean_far_out_and_at_the_data_close_by():
    places = spiral_samples.grid(1.5, 6)
    points = spiral_samples.POINTS
    far = spiral_samples.field(spiral_samples.exact, points, 10.0, places)
    to_mean = points.mean(axis=0) - places
    assert spiral_samples.cosines(far, to_mean).min() > 0.9999
    near = spiral_samples.field(spiral_samples.exact, points, 0.01, places)
    distance = np.linalg.norm(places[:, None] - points[None], axis=-1)
    to_point = points[distance.argmin(axis=1)] - places
    assert spiral_samples.cosines(near, to_point).min() > 0.99


def test_a_weak_condition_is_a_prior():
    prior = np.exp(spiral_guidance.log_prior(0.6))
    own = spiral_samples.LABELS == spiral_guidance.OUTER
    assert prior.sum() == pytest.approx(1)
    assert prior[own].sum() == pytest.approx(0.6)
    assert np.exp(spiral_guidance.log_prior(1.0))[~own].sum() == 0


def test_evaluation_sets_the_network_beside_the_ideal_denoiser():
    task = spiral_network.task(PointNetworkConfig((4,)))
    params = jax.jit(task.init)(jax.random.key(0))
    batch = {
        "point": jnp.asarray(spiral_samples.POINTS),
        "label": jnp.zeros(100, jnp.int32),
        "weight": jnp.ones(100),
        "example": jnp.arange(100),
    }
    metrics = jax.jit(task.evaluate)(params, batch, jax.random.key(1))
    (error, weight), (floor, _) = metrics["error"], metrics["floor"]
    assert float(weight) == 100
    assert 0.1 < float(floor / weight) < 0.6
    assert float(error) > float(floor)


@pytest.mark.slow
def test_every_claim_of_the_full_study_is_as_expected(tmp_path):
    claims, _ = spiral.study(spiral.Config(), Setting(0, tmp_path, "light"))
    assert not [claim.id for claim in claims if claim.as_expected is not True]
