"""Part 3 at toy size: every claim that can be scored is as expected."""

import dataclasses
import json

import pytest

from experiments import part3_backpropagation as part3
from experiments.part3.cosine import Config as CosineConfig
from experiments.part3.walk import Config as WalkConfig
from nnguide.config import InputError
from nnguide.network.mlp import MlpConfig
from nnguide.training import OptimizerConfig

TOY = part3.Config(
    train=dataclasses.replace(
        part3.Config().train, steps=60, steps_per_call=20, log_every=20, progress=False
    ),
    cosine=CosineConfig(sizes=(1, 10, 100), draws=10),
    walk=WalkConfig(steps=10, grid=4),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("part3")
    config = dataclasses.replace(TOY, workdir=str(folder / "run"))
    return config, part3.run(config)


def test_what_does_not_need_a_long_training_is_as_expected(finished):
    _, results = finished
    claims = {claim.id: claim for claim in results.claims}
    assert all(claim.as_expected is not False for claim in results.claims)
    for name in (
        "desires_of_the_output",
        "raise_by_bias",
        "raise_by_weights",
        "raise_by_activations",
        "desires_add_up",
        "outer_product",
        "rank_of_a_batch",
        "trained_by_hand",
        "price_of_a_step",
    ):
        assert claims[f"3.{name}"].as_expected
        assert claims[f"3.{name}"].verdict == "holds"
    assert claims["3.cosine_100_born"].measured > 0.98
    assert claims["3.cosine_100_trained"].as_expected is None  # 60 steps only


def _timings(results):
    """What grows with every row that is trained."""
    return results.workdir.glob("*/timings.jsonl")


def test_a_finished_run_trains_nothing_and_redraws(finished):
    config, results = finished
    timings = {path: path.read_text() for path in _timings(results)}
    planned = {plan.name for plan in part3.plans(config)[""]}
    assert {path.parent.name for path in timings} == planned
    assert planned == {"by_hand", "by_autodiff", "one_epoch"}
    picture = results.workdir / results.figures[0]
    picture.unlink()
    again = part3.run(config)
    assert {path: path.read_text() for path in _timings(again)} == timings
    assert picture.exists()
    assert [claim.to_json() for claim in again.claims] == [
        claim.to_json() for claim in results.claims
    ]
    saved = json.loads((results.workdir / "results.json").read_text())
    assert saved["experiment"] == "part3_backpropagation"


@pytest.mark.slow
def test_another_network_goes_through_every_study(tmp_path):
    network = MlpConfig(
        (784, 12, 10), activation="relu", cost="cross_entropy", initial="scaled"
    )
    config = dataclasses.replace(
        TOY,
        network=network,
        optimizer=OptimizerConfig(rate=0.1),
        workdir=str(tmp_path / "run"),
    )
    results = part3.run(config)
    assert all(claim.as_expected is not False for claim in results.claims)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": MlpConfig((3072, 10))}, "784 pixels and 10 classes"),
        ({"batch_size": 0}, "batch_size=0"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, words, tmp_path):
    with pytest.raises(InputError, match=words):
        part3.run(dataclasses.replace(TOY, workdir=str(tmp_path / "run"), **change))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (lambda: CosineConfig(sizes=(1, 10)), "cosine.sizes"),
        (lambda: CosineConfig(draws=1), "cosine.draws"),
        (lambda: WalkConfig(sizes=(10,)), "walk.sizes"),
        (lambda: WalkConfig(steps=1), "walk.steps"),
    ],
)
def test_studies_refuse_what_they_cannot_draw(study, words):
    with pytest.raises(InputError, match=words):
        study()
