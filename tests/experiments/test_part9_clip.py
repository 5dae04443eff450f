"""CLIP's study and the pictures drawn from captions, at toy size."""

import numpy as np
import pytest
from PIL import Image

from experiments import part9_diffusion as part9
from experiments.part9 import clip, scenes
from experiments.part9.clip_space import WORDS, prompts
from experiments.part9.scenes_network import Recipe
from experiments.part9.setting import Setting
from nnguide.config import InputError, digest
from nnguide.data.scene_captions import caption
from nnguide.data.scene_decoder import Decoded
from nnguide.data.scene_shapes import ABSENT, ATTRIBUTES
from nnguide.diffusion.guidance import GuidanceConfig
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.diffusion.unet import UnetConfig
from nnguide.parallel import ParallelConfig
from nnguide.training import Config as TrainConfig
from nnguide.training import OptimizerConfig

TOY = clip.Config(steps=24, batch=8, pairs=4)
TOY_SCENES = scenes.Config(
    recipe=Recipe(
        unet=UnetConfig(
            size=32, channels=3, patch=8, width=8, attention=(), head_width=8
        ),
        optimizer=OptimizerConfig("adamw", 1e-3, average_decay=0.9),
        batch=4,
        train=TrainConfig(
            steps=2, log_every=2, progress=False, parallel=ParallelConfig(devices=1)
        ),
    ),
    alphas=(0.0, 3.0),
    samples=8,
    sampler=SamplerConfig(steps=2),
)


@pytest.fixture(scope="module")
def setting(tmp_path_factory) -> Setting:
    folder = tmp_path_factory.mktemp("part9")
    return Setting(0, folder, "light", SamplerConfig(), GuidanceConfig())


@pytest.fixture(scope="module")
def clip_study(setting):
    return clip.study(TOY, setting)


def check_study(claims, figures, names, setting) -> None:
    assert len({claim.id for claim in claims}) == len(claims)
    assert not [claim.id for claim in claims if claim.as_expected is False]
    assert figures == [f"figures/{name}.png" for name in names]
    for figure in figures:
        with Image.open(setting.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((setting.workdir / figure).with_suffix(".npz")).files


@pytest.mark.slow
def test_a_toy_clip_claims_nothing_unexpected_and_draws(clip_study, setting):
    names = ["clip_similarities", "clip_difference", "clip_zero_shot"]
    claims, figures = clip_study
    check_study(claims, figures, names, setting)


@pytest.mark.slow
def test_scenes_reuse_the_trained_clip_and_draw_a_prompt(clip_study, setting):
    before = (setting.workdir / "clip" / "timings.jsonl").read_bytes()
    prompt = "a cactus in a desert at night"
    claims, figures = scenes.study(TOY_SCENES, TOY, prompt, setting)
    names = ["scenes_guidance", "scenes_trade_off", "scenes_prompt"]
    check_study(claims, figures, names, setting)
    assert (setting.workdir / "clip" / "timings.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: clip.Config(steps=30), "--clip.steps=30: give a multiple of 24"),
        (lambda: clip.Config(steps=0), "--clip.steps=0: give a multiple of 24, 20 or"),
        (lambda: clip.Config(batch=1), "--clip.batch=1: give 2 or more"),
        (lambda: clip.Config(incomplete=1.5), "--clip.incomplete=1.5: give a share"),
        (
            lambda: scenes.Config(alphas=(0.0, 1.0)),
            "--scenes.alphas=0.0,1.0: 3 is missing",
        ),
        (lambda: scenes.Config(samples=1), "--scenes.samples=1: give 8 or more"),
        (lambda: part9.Config(prompt="a whale"), "'a whale': does not know 'whale'"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_a_prompt_does_not_change_the_run():
    asked = part9.Config(prompt="a tree in a desert")
    assert digest(asked) == digest(part9.Config())


def test_prompts_name_one_class_each():
    def single(name):
        return [caption(said) for said in prompts(name).single]

    assert single("shirt")[0] == "a person in a red shirt"
    assert single("accessory")[:2] == ["a person", "a person with a hat"]
    assert single("kind") == ["a person", "a desert"]
    assert single("time")[3] == "a desert at night"
    assert single("shadow")[1] == "a tree and its shadow in a desert"
    hats = [caption(said) for said in prompts("accessory").ensemble[1]]
    assert hats[:3] == [
        "a person with a hat", "hat", "a person with pale skin with a hat"
    ]  # fmt: skip
    assert len(hats) == 2 + 3 + 6 + 5
    for name, values in ATTRIBUTES.items():
        for value, rows in enumerate(prompts(name).ensemble):
            assert (rows[:, list(ATTRIBUTES).index(name)] == value).all()
        assert len(prompts(name).single) == len(values)
    assert len(WORDS) == 41


def test_trees_ghosts_and_variety_are_read_off_what_was_decoded():
    shown = np.full((4, len(ATTRIBUTES)), ABSENT, np.int8)
    shown[:, 0] = [1, 1, 1, 0]
    shown[:, 5:] = [[0, 1, 1], [0, 0, 1], [2, 0, 0], [ABSENT] * 3]
    decoded = Decoded(shown, np.zeros(4, np.float32))
    assert scenes._has_tree(decoded).tolist() == [True, False, False, False]
    assert scenes._is_ghost(decoded).tolist() == [False, True, False, False]
    assert scenes._equally_often(shown[:, 5]) == pytest.approx(3 / 2 ** (2 / 3))
    assert scenes._equally_often(np.array([ABSENT])) == 1


@pytest.mark.slow
def test_every_claim_of_the_full_studies_is_as_expected(setting, tmp_path):
    own = setting._replace(workdir=tmp_path)
    claims, _ = clip.study(clip.Config(), own)
    claims += scenes.study(scenes.Config(), clip.Config(), "", own)[0]
    assert not [claim.id for claim in claims if claim.as_expected is not True]
