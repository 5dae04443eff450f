"""A finished run goes on for more steps where its schedule allows it."""

import dataclasses
import json

import pytest

from experiments import launcher
from experiments.extension import is_extension
from nnguide import training
from nnguide.config import InputError, differences, leaves, ungrouped
from nnguide.training import OptimizerConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Of a part of a launcher.

    Attributes:
      optimizer: its rule.
      train: how long.
      size: of something.
    """

    optimizer: OptimizerConfig = OptimizerConfig()
    train: training.Config = training.Config(steps=100)
    size: int = 1


@dataclasses.dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
      recipe: of its training.
    """

    recipe: Recipe = ungrouped(Recipe())


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """A toy's.

    Attributes:
      whole: in folders of the workdir.
      part: in its folder.
    """

    whole: Recipe = ungrouped(Recipe())
    part: Part = Part()


def with_steps(steps, size=1, **optimizer):
    recipe = Recipe(OptimizerConfig(**optimizer), training.Config(steps=steps), size)
    return Config(whole=recipe, part=Part(recipe))


def run(folder, steps, trained=None, **changes):
    """Leaves what a run of that many steps leaves; its checkpoints are empty."""
    config = dataclasses.replace(with_steps(steps, **changes), workdir=str(folder))
    launcher.open_workdir("toy", config)
    for place in ("batch_1", "part"):
        saved = folder / place / "checkpoints" / str(trained or steps)
        saved.mkdir(parents=True, exist_ok=True)


def test_more_steps_go_on_and_are_kept_in_the_config(tmp_path):
    for steps in (100, 200, 300):
        run(tmp_path, steps, warmup_steps=10)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["train.steps"] == saved["part.train.steps"] == 300


@pytest.mark.parametrize(
    ("trained", "changes", "says"),
    [
        (100, {"schedule": "cosine"}, r".* rates .* depend .*schedule=cosine\)"),
        (1, {"schedule": "cosine"}, ""),  # the first rate is the same
        (80, {"schedule": "warmup_stable_decay"}, ""),
        (
            90,
            {"schedule": "warmup_stable_decay"},
            "the learning rates of the 90 steps trained in .* 100 ",
        ),
    ],
)
def test_rates_that_depend_on_the_number_are_told(tmp_path, trained, changes, says):
    run(tmp_path, 100, trained, **changes)
    before = (tmp_path / "config.json").read_text()
    if not says:
        return run(tmp_path, 200, trained, **changes)
    with pytest.raises(
        InputError, match=rf"--(part\.)?train\.steps=200: {says}"
    ) as told:
        run(tmp_path, 200, **changes)
    assert "\n" not in str(told.value)
    assert "--restart" in str(told.value)
    assert (tmp_path / "config.json").read_text() == before


def test_what_else_may_not_change(tmp_path):
    run(tmp_path, 100)
    with pytest.raises(
        InputError, match=r"steps=50: .* has a run of 100 steps; name another"
    ):
        run(tmp_path, 50)
    with pytest.raises(InputError, match=r"another config \(.*--size 1 there, 2 asked"):
        run(tmp_path, 200, size=2)
    config = dataclasses.replace(with_steps(200), workdir=str(tmp_path))
    with pytest.raises(InputError, match="another config"):
        launcher.open_workdir("toy", config, trains=False)


def test_what_was_trained_from_the_model_holds_it(tmp_path):
    run(tmp_path, 100)
    (tmp_path / "part/tuned/first/checkpoints/30").mkdir(parents=True)
    with pytest.raises(InputError, match="tuned/first was trained from the model of"):
        run(tmp_path, 200)


def test_a_run_that_saved_nothing_takes_any_number(tmp_path):
    saved = dict(leaves(with_steps(100, schedule="cosine")))
    for steps in (50, 200):
        asked = with_steps(steps, schedule="cosine")
        assert is_extension(asked, differences(asked, saved), tmp_path)
