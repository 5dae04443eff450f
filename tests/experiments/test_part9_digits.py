"""Part 9's digits at toy size: training, drawing, judging, refusals."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.part9 import digits, digits_network
from experiments.part9.digits_network import Recipe, draw, learn, make_module
from experiments.part9.setting import Setting
from nnguide import training
from nnguide.config import InputError
from nnguide.data.sources import ArraySource
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.patch_transformer import PatchTransformer, PatchTransformerConfig
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.diffusion.unet import Unet
from nnguide.parallel import ParallelConfig

ONE_DEVICE = ParallelConfig(devices=1)
RECIPE = Recipe(
    network="transformer",  # which compiles in a moment
    transformer=PatchTransformerConfig(
        size=28, patch=7, layers=1, embedding=8, heads=1
    ),
    batch=8,
    optimizer=training.OptimizerConfig("adamw", rate=1e-3, average_decay=0.9),
    train=training.Config(steps=4, log_every=2, progress=False, parallel=ONE_DEVICE),
)
TOY = digits.Config(
    recipe=RECIPE,
    alphas=(0.0, 1.0, 2.0),
    samples=30,
    steps=2,
    sampler=SamplerConfig(steps=2),
    judge_steps=5,
)
PICTURES = ["digits_samplers", "digits_denoising", "digits_guidance", "digits_trade"]


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    return Setting(
        0, tmp_path_factory.mktemp("digits"), "light", SamplerConfig(steps=3)
    )


@pytest.fixture
def source() -> ArraySource:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 28, 28, 1), np.uint8)
    labels = np.arange(40, dtype=np.int32) % 4
    return ArraySource(images, labels, ("a", "b", "c", "d"), "toy")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"alphas": (0.0, 1.0)}, "--digits.alphas=0.0,1.0: 2 is missing"),
        ({"alphas": (1.0, 0.0, 2.0)}, "--digits.alphas=1.0,0.0,2.0: give one or more"),
        ({"steps": 0}, "--digits.steps=0: give 1 or more"),
        ({"samples": 5}, "--digits.samples=5: give 20 or more"),
        ({"judge_steps": 0}, "--digits.judge_steps=0: give 1 or more"),
        (
            {
                "recipe": Recipe(
                    noise=NoiseConfig(zero_terminal_snr=True),
                    denoising=DenoisingConfig("eps"),
                )
            },
            "--denoising.predict=eps",
        ),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(wrong, says):
    with pytest.raises(InputError, match=says):
        digits.Config(**wrong)


def test_the_network_takes_size_and_classes_from_the_images():
    unet, patches = (
        make_module(Recipe(), (28, 28, 1), 10),
        make_module(RECIPE, (14, 14, 3), 4),
    )
    assert isinstance(unet, Unet)
    assert (unet.config.size, unet.config.classes) == (28, 11)
    assert isinstance(patches, PatchTransformer)
    assert (patches.config.size, patches.config.channels) == (14, 3)
    with pytest.raises(InputError, match=r"28 x 20.*square"):
        make_module(Recipe(), (28, 20, 1), 10)
    with pytest.raises(InputError, match=r"unet.attention=\(7,\).*\[16, 8\] high"):
        make_module(Recipe(), (32, 32, 3), 10)


@pytest.mark.slow
def test_a_toy_study_claims_nothing_unexpected_and_draws(setting):
    claims, figures = digits.study(TOY, setting)
    assert len({claim.id for claim in claims}) == len(claims) == 8
    assert not [claim.id for claim in claims if claim.as_expected is not None]
    judge = next(claim for claim in claims if claim.id == "9.digits_judge")
    digest = judge.unit.removeprefix("accuracy; weights ")
    assert len(bytes.fromhex(digest)) == 4
    assert all("FID" not in claim.statement + claim.unit for claim in claims)
    assert figures == [f"figures/{picture}.png" for picture in PICTURES]
    for figure in figures:
        with Image.open(setting.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((setting.workdir / figure).with_suffix(".npz")).files


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_refused(setting, source, tmp_path):
    here = setting._replace(workdir=tmp_path)
    learn(RECIPE, source, source, here)
    wider = dataclasses.replace(
        RECIPE, transformer=dataclasses.replace(RECIPE.transformer, embedding=16)
    )
    with pytest.raises(InputError, match=r"digits/checkpoints/4: .*in this run; use"):
        learn(wider, source, source, here)


def test_samplers_start_alike_and_samples_do_not_depend_on_their_number(
    setting, source, tmp_path, monkeypatch
):
    monkeypatch.setattr(digits_network, "AT_ONCE", 4)
    trained = learn(RECIPE, source, source, setting._replace(workdir=tmp_path))
    sampler = SamplerConfig("ddpm", steps=4)
    labels = np.array([0, 1, 2, 3, 0, 1], np.int32)
    many = draw(trained, labels, sampler, keep_every=2)
    assert many.images.shape == (6, 28, 28, 1)
    assert many.images.min() >= 0
    assert many.images.max() <= 1
    few = draw(trained, labels[:5], sampler)
    np.testing.assert_allclose(few.images, many.images[:5], atol=1e-5)
    other = draw(trained, labels, SamplerConfig(steps=4), keep_every=2)
    kept: Any = (many.kept, other.kept)
    assert kept[0].shape == (3, 6, 28, 28, 1)
    np.testing.assert_array_equal(kept[0][0], kept[1][0])
    assert abs(kept[0][1] - kept[1][1]).max() > 0.1
    np.testing.assert_allclose(np.clip((kept[0][-1] + 1) / 2, 0, 1), many.images)


def test_variance_within_a_class_leaves_out_what_classes_differ_by():
    labels = np.arange(400) % 2
    noise = np.random.default_rng(0).normal(size=(400, 2, 2, 1))
    images = (5 * labels[:, None, None, None] + 2 * noise).astype(np.float32)
    assert digits.within_class_variance(images, labels) == pytest.approx(4, rel=0.1)
