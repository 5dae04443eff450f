"""Part 8's study of superposition: toy models, phases, dictionaries."""

import dataclasses
import time

import jax
import numpy as np
import pytest
from PIL import Image

from experiments.benchmarks import superposition as benchmark
from experiments.part8 import best_of_seeds, dictionaries, superposition, toy_models
from experiments.part8.best_of_seeds import Best, of_best
from experiments.part8.setting import Setting
from experiments.part8.superposition_claims import gaps_of
from nnguide.config import InputError

TOY = superposition.Config(
    steps=50, seeds=2, large_seeds=1, grid_side=4, grid_steps=50, sizes=(10, 20, 30)
)
PICTURES = ["arrows", "phases", "crowding", "recovery"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"steps": 60}, "superposition.steps=60: give a multiple of 50"),
        ({"grid_steps": 0}, "superposition.grid_steps=0: give a multiple of 50"),
        ({"grid_side": 1}, "superposition.grid_side=1: give 2 or more"),
        ({"seeds": 0}, "superposition.seeds=0: give 1 or more"),
        ({"sizes": (10, 30)}, "superposition.sizes=10,30: 20 is missing"),
        ({"penalties": (0.4, 0.1)}, "superposition.penalties=0.4,0.1: give one to"),
        ({"penalties": (0.0,)}, "superposition.penalties=0.0: give one to three"),
        ({"penalties": ()}, "superposition.penalties=: give one to three"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        superposition.Config(**fields)


def untrained(plan, workdir) -> Best:
    """Stands in for a training: random parameters, random losses, nothing compiled."""
    del workdir
    random = np.random.default_rng(0)
    shapes = jax.eval_shape(plan.task.init, jax.random.key(0))
    every = jax.tree.map(
        lambda shape: random.normal(size=shape.shape).astype(np.float32), shapes
    )
    loss = random.uniform(size=jax.tree.leaves(shapes)[0].shape[:2])
    return Best(of_best(every, loss), every, loss)


@pytest.mark.parametrize(  # four trainings take their time to compile
    "trained", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_a_toy_study_claims_nothing_unexpected_and_draws(
    trained, tmp_path, monkeypatch
):
    if not trained:
        monkeypatch.setattr(toy_models, "train", untrained)
        monkeypatch.setattr(dictionaries, "train", untrained)
    claims, figures = superposition.study(TOY, Setting(0, tmp_path, "light"))
    assert len({claim.id for claim in claims}) == len(claims)
    assert not [claim.id for claim in claims if claim.as_expected is False]
    assert figures == [f"figures/superposition_{name}.png" for name in PICTURES]
    for figure in figures:
        with Image.open(tmp_path / figure) as picture:
            assert picture.width == 2400
        assert np.load((tmp_path / figure).with_suffix(".npz")).files


def test_a_trained_grid_is_read_back_and_not_trained_again(tmp_path, monkeypatch):
    setting = Setting(0, tmp_path, "light")
    grid = toy_models.two_in_one(setting, 2, 50, 2)
    monkeypatch.setattr(best_of_seeds, "EXAMPLES", 0)  # nothing is evaluated again
    again = toy_models.two_in_one(setting, 2, 50, 2)
    jax.tree.map(np.testing.assert_array_equal, grid, again)
    assert grid.presence.tolist() == [0.01, 1]
    assert grid.norms.shape == (2, 2, 2)


def test_larger_runs_are_scored_and_smaller_ones_are_not():
    full = superposition.Config()
    assert full.is_full
    assert dataclasses.replace(full, grid_side=200).is_full
    assert not dataclasses.replace(full, grid_side=20).is_full
    assert not dataclasses.replace(full, penalties=(0.4,)).is_full


def test_the_best_start_is_chosen_model_by_model():
    loss = np.array([[1.0, 5.0, 2.0], [3.0, 4.0, 1.0]])
    every = {"bias": np.arange(12.0).reshape(2, 3, 2)}
    chosen = of_best(every, loss)["bias"]
    np.testing.assert_array_equal(chosen, [[0, 1], [8, 9], [10, 11]])


def test_angles_between_neighbours_close_the_circle():
    angle = np.radians([10, 350, 190, 100])
    gaps = gaps_of(np.stack([np.cos(angle), np.sin(angle)]))
    np.testing.assert_allclose(np.sort(gaps), [20, 90, 90, 160])


@pytest.mark.slow
def test_the_benchmark_s_loop_stands_for_all_runs(monkeypatch):
    for name, value in (("SIDE", 4), ("STEPS", 50), ("TIMED", 4)):
        monkeypatch.setattr(benchmark, name, value)
    (case,) = benchmark.cases(peers=True)
    assert case.amount == 4 * 4 * 4
    assert list(case.contenders) == ["nnguide", "loop_over_4_of_64_jitted_runs_scaled"]
    assert case.contenders["nnguide"]() is None
    loop = case.contenders["loop_over_4_of_64_jitted_runs_scaled"]
    loop()  # compiles
    started = time.monotonic()
    counted = loop()
    assert counted is not None
    assert counted == pytest.approx(16 * (time.monotonic() - started), rel=0.3)


@pytest.mark.slow
def test_the_full_study_lands_where_it_should_and_a_finished_run_only_redraws(tmp_path):
    setting = Setting(0, tmp_path, "light")
    claims, _ = superposition.study(superposition.Config(), setting)
    assert not [claim.id for claim in claims if claim.as_expected is not True]
    started = time.monotonic()
    again, _ = superposition.study(superposition.Config(), setting)
    assert [claim.measured for claim in again] == [claim.measured for claim in claims]
    assert time.monotonic() - started < 40
