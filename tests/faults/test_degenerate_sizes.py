"""Sizes at their ends: computed where they can be, else one line before any work."""

import dataclasses

import numpy as np
import pytest

from experiments import (
    part5_language_model as part5,
)
from experiments import (
    part6_transformers as part6,
)
from experiments import (
    part7_attention as part7,
)
from experiments import (
    part9_diffusion as part9,
)
from experiments.part1 import digits, inside, random_labels
from experiments.part2 import setting as part2_setting
from experiments.part3.walk import Config as WalkConfig
from experiments.part5 import ladder, temperature
from experiments.part5.setting import Trained
from experiments.part9 import digits as part9_digits
from nnguide import training
from nnguide.config import InputError
from nnguide.data import images as image_sets
from nnguide.data.images import ImageConfig
from nnguide.data.sources import ArraySource
from nnguide.data.text import TextConfig, load_text
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.transformer.config import TransformerConfig


def source(count, classes=10):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1))
    labels = np.arange(count, dtype=np.int32) % classes
    return ArraySource(
        pixels.astype(np.uint8), labels, tuple(map(str, range(classes))), "drawn"
    )


def text_of(tmp_path, content, tokenizer="characters"):
    (tmp_path / "text.txt").write_text(content)
    return TextConfig(f"text:{tmp_path / 'text.txt'}", tokenizer)


def test_a_text_of_one_letter_has_a_ladder_of_zeros(tmp_path):
    text = load_text(text_of(tmp_path, "a" * 500))
    assert text.vocabulary_size == 1
    config = TransformerConfig(vocabulary=1, context=16, layers=1, heads=1, embedding=8)
    setting = part5.Setting(
        TextConfig(), text, part5.Model(config), 0, tmp_path, "light", ""
    )
    row = {"step": 1, "validation/loss": 0.0, "validation/accuracy": 1.0}
    found = ladder.climb(setting, Trained(None, [row], 1))
    assert len(found.counting) == ladder.LONGEST + 1
    np.testing.assert_array_equal(found.counting, 0)


@pytest.mark.parametrize("values", ["0,1e-7", "nan", "0,1e9", "-1,0", "1,0", ""])
def test_temperatures_are_checked_where_the_config_is_made(values):
    given = tuple(map(float, filter(None, values.split(","))))
    with pytest.raises(InputError, match=r"^--temperature\.values="):
        temperature.Config(given)


@pytest.fixture
def no_training(monkeypatch):
    def fit(*arguments, **named):
        raise AssertionError("trained before the check")

    monkeypatch.setattr(training, "fit", fit)


@pytest.mark.parametrize("count", [1, 12, 99, 250])
def test_part_1_trains_its_further_networks_on_any_number_of_images(
    tmp_path, monkeypatch, count
):
    seen = []

    def fit(task, optimizer, batches, config, **named):
        seen.append((config, next(batches.stream(0)).shape))
        raise InterruptedError

    monkeypatch.setattr(training, "fit", fit)
    every = digits.Images(source(count), source(5))
    recipe = digits.Recipe(
        ImageConfig(), digits.GUIDE, training.OptimizerConfig(),
        training.Config(steps=400, steps_per_call=400, log_every=400), 1, 10,
    )  # fmt: skip
    with pytest.raises(InterruptedError):
        inside.convnet_filters(recipe, every, tmp_path)
    with pytest.raises(InterruptedError):
        random_labels.study(recipe, every, tmp_path, "light")
    (convnet, _), (labels, batch) = seen
    assert convnet.steps == 4 * max(1, count // 100)
    assert labels.steps * batch[0] == 30 * {1: 1, 12: 12, 99: 99, 250: 200}[count]


@pytest.mark.parametrize(("count", "batch"), [(3, 3), (10, 10), (25, 10)])
def test_part_2s_batches_are_no_larger_than_the_set(
    tmp_path, monkeypatch, count, batch
):
    seen = []
    monkeypatch.setattr(
        training,
        "fit",
        lambda task, optimizer, batches, config, **named: seen.append(
            (config.steps, len(next(batches.stream(0))))
        ),
    )
    images = source(count)
    setting = part2_setting.Setting(ImageConfig(), images, images, 0, tmp_path, "light")
    task = part2_setting.task_of(part2_setting.GUIDE)
    part2_setting.train(setting, "x", task, part2_setting.at_rates(np.ones(1)), 10, 3)
    assert seen == [(3 * (count // batch), batch)]


@pytest.mark.parametrize("sizes", [(100, 0), (100, -5), (100, 100), (10,)])
def test_walks_of_no_size_are_refused(sizes):
    with pytest.raises(InputError, match=r"walk\.sizes=.*above 0"):
        WalkConfig(sizes=sizes)


def test_a_set_without_images_is_refused(monkeypatch):
    monkeypatch.setattr(image_sets, "_find", lambda config, split: source(0))
    with pytest.raises(InputError, match="drawn: holds no images"):
        image_sets.load_images(ImageConfig("mnist"), "train")


@pytest.mark.parametrize(
    ("train", "test", "samples", "says"),
    [
        (40, 7, 500, "7 test images; .* give a set of 8 or more"),
        (10, 8, 500, "no class has two training images"),
        (40, 8, 25, r"samples=25: .* give 26 or more"),
    ],
)
def test_part_9_counts_images_and_samples_before_it_trains(
    tmp_path, monkeypatch, no_training, train, test, samples, says
):
    classes = 13 if samples == 25 else 10
    sets = {"train": source(train, classes), "test": source(test, classes)}
    monkeypatch.setattr(part9_digits, "load_images", lambda config, split: sets[split])
    config = part9.Config(
        study="digits",
        workdir=str(tmp_path / "run"),
        digits=part9.DigitsConfig(samples=samples),
    )
    with pytest.raises(InputError, match=says):
        part9.run(config)
    assert not (tmp_path / "run").exists()


def test_more_sampling_steps_than_levels_are_refused_at_once():
    usual = part9.DigitsConfig().recipe
    few = dataclasses.replace(usual, noise=NoiseConfig("linear", steps=40))
    with pytest.raises(InputError, match=r"steps=50: the schedule has 40"):
        part9.DigitsConfig(recipe=few)
    digits_config = part9.DigitsConfig(recipe=few, steps=20)
    with pytest.raises(InputError, match=r"steps=41: the schedule has 40"):
        part9.Config(
            study="digits", digits=digits_config, sampler=SamplerConfig(steps=41)
        )


@pytest.mark.parametrize("part", [part9.DigitsConfig, part9.ScenesConfig])
def test_a_warm_up_longer_than_the_training_is_refused_at_once(part):
    recipe = part().recipe
    short = dataclasses.replace(recipe.train, steps=50, log_every=50, evaluate_every=0,
                                save_every=0)  # fmt: skip
    with pytest.raises(InputError, match=r"warmup_steps=100: .* 50 steps"):
        dataclasses.replace(recipe, train=short)


@pytest.mark.parametrize(
    ("study", "content", "says"),
    [
        ("parameters", "ab" * 60, "hold no window of context 64"),
        ("context", "ab" * 800, "are too few for --context.texts=128 stretches of 128"),
        ("context", "a" * 4_000, "one kind of token"),
    ],
)
def test_part_6_measures_its_text_before_it_trains(
    tmp_path, no_training, study, content, says
):
    data = text_of(tmp_path, content)
    config = part6.Config(study=study, data=data, workdir=str(tmp_path / "run"))
    with pytest.raises(InputError, match=says):
        part6.run(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("length", "says"),
    [
        (90, "has 9 tokens; give a longer one"),
        (30_000, "has 3,000 tokens; give 32 at most"),
        (200_000, "--ablation.parts=300: the judged text has 256 windows"),
    ],
)
def test_part_7_measures_its_text_before_it_trains(tmp_path, no_training, length, says):
    config = part7.Config(
        data=text_of(tmp_path, "ab" * (length // 2)),
        ablation=part7.AblationConfig(parts=300),
        workdir=str(tmp_path / "run"),
    )
    with pytest.raises(InputError, match=says):
        part7.run(config)
    assert not (tmp_path / "run").exists()
