"""Part 2 at toy size, and in full (slow)."""

import dataclasses
import json
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from PIL import Image

from experiments import part2_gradient_descent as part2
from experiments.part2 import (
    batch_size,
    cost,
    dead_relu,
    gradient,
    saturation,
    setting,
    smoothness,
    surface,
)
from nnguide import training
from nnguide.config import InputError
from nnguide.data.images import load_images
from nnguide.data.sources import ArraySource
from nnguide.network.cost import CostName
from nnguide.network.descent import gradient_descent
from nnguide.training.step import initial_state

TOY = part2.Config(
    cost=cost.Config(networks=2),
    surface=surface.Config(grid=5, images=50),
    gradient=gradient.Config(
        networks=2, weights=50, lengths=(0.01,), directions=2, images=100
    ),
    saturation=saturation.Config(networks=2),
    smoothness=smoothness.Config(steepness=(1.0, 100.0), epochs=1, networks=2),
    dead_relu=dead_relu.Config(rates=(0.1, 1.0, 3.0), epochs=1, networks=2),
    batches=batch_size.Config(mini=(100,), epochs=2, networks=2),
)


@pytest.mark.parametrize(
    ("group", "fields", "says"),
    [
        (cost, {"networks": 0}, "--cost.networks=0: give 1 or more"),
        (batch_size, {"networks": 1}, "--batches.networks=1: give 2 or more"),
        (batch_size, {"mini": ()}, "--batches.mini=: give one or more"),
        (batch_size, {"rate": 0.0}, "--batches.rate=0.0: give more than 0"),
        (gradient, {"nudge": -1.0}, "--gradient.nudge=-1.0: give more than 0"),
        (smoothness, {"steepness": (5.0, 1.0)}, "--smoothness.steepness=5.0,1.0: "),
        (smoothness, {"rate": 0.0}, "--smoothness.rate=0.0: give more"),
        (dead_relu, {"rates": (0.0, 1.0)}, "--dead_relu.rates=0.0,1.0: .* above 0"),
        (dead_relu, {"leaky_up_to": 0.001}, "--dead_relu.leaky_up_to=0.001: below"),
        (saturation, {"networks": -3}, "--saturation.networks=-3: give 1"),
        (surface, {"grid": 1}, "--surface.grid=1: give 3 or more"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(group, fields, says):
    with pytest.raises(InputError, match=says):
        group.Config(**fields)


def test_a_batch_larger_than_the_set_is_refused(tmp_path):
    batches = dataclasses.replace(TOY.batches, mini=(5000,))
    config = dataclasses.replace(
        TOY, study="batches", batches=batches, workdir=str(tmp_path)
    )
    with pytest.raises(InputError, match=r"--batches.mini=5000: there are 4,000"):
        part2.run(config)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("part2")
    return part2.run(dataclasses.replace(TOY, workdir=str(workdir)))


def measured(results):
    return {claim.id: claim.measured for claim in results.claims}


@pytest.mark.slow  # the toy run compiles all studies
def test_no_claim_of_a_toy_run_is_other_than_expected(toy):
    assert not [claim for claim in toy.claims if claim.as_expected is False]
    exact = {claim.id for claim in toy.claims if claim.as_expected}
    assert exact >= {  # what no size of a run excuses
        "2.cost_convention",
        "2.valleys_of_a_neuron",
        "2.zero_components",
        "2.single_weights",
        "2.steepest_against_signs",
        "2.neuron_bad_squared_error",
        "2.neuron_bad_cross_entropy",
        "2.z_spread_normal",
        "2.z_spread_scaled",
        "2.step_gradient",
        "2.step_accuracy",
    }
    assert len(measured(toy)) == len(toy.claims)  # no name twice


@pytest.mark.slow  # the toy run compiles all studies
def test_every_picture_is_there_with_its_numbers(toy):
    assert len(toy.figures) == 10
    for figure in toy.figures:
        with Image.open(toy.workdir / figure) as picture:
            assert picture.width == 2400
        assert np.load((toy.workdir / figure).with_suffix(".npz")).files


@pytest.mark.slow  # the toy run compiles all studies
def test_results_json_tells_the_same(toy):
    content = json.loads((toy.workdir / "results.json").read_text())
    assert {c["id"]: c["measured"] for c in content["claims"]} == measured(toy)
    assert all(claim["source"] for claim in content["claims"])


@pytest.mark.slow  # the toy run compiles all studies
def test_a_finished_run_trains_nothing_and_redraws(toy, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(toy.workdir, workdir)
    trained = [p for p in workdir.glob("batch_*/**/*") if p.is_file()]
    before = {path: path.read_bytes() for path in trained}
    (workdir / "figures/batch_size.png").unlink()
    config = dataclasses.replace(TOY, workdir=str(workdir), study="batches")
    again = measured(part2.run(config))
    assert again == {name: measured(toy)[name] for name in again}
    assert again.keys() == {"2.accuracy_full_batch", "2.accuracy_batch_100"}
    assert (workdir / "figures/batch_size.png").exists()
    assert {path: path.read_bytes() for path in trained} == before


def test_one_study_alone_measures_its_claims_only(tmp_path):
    config = dataclasses.replace(TOY, study="saturation", workdir=str(tmp_path))
    results = part2.run(config)
    assert {claim.id.split("_")[0] for claim in results.claims} == {
        "2.neuron",
        "2.z",
        "2.saturated",
    }
    assert len(results.figures) == 2


def test_a_set_of_other_pixels_is_refused(monkeypatch):
    digits = load_images(TOY.data, "train").arrays()
    images = digits["image"][:, :20].copy()
    cropped = ArraySource(images, digits["label"].copy(), tuple("0123456789"), "")
    monkeypatch.setattr(part2, "load_images", lambda config, split: cropped)
    with pytest.raises(InputError, match="560 pixels and 10 classes"):
        part2.run(TOY)


@pytest.mark.slow  # the toy run compiles all studies
def test_the_full_batch_takes_one_step_an_epoch(toy):
    steps = {
        folder.name: [
            json.loads(line)["step"]
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in toy.workdir.glob("batch_*")
    }
    assert steps == {
        "batch_4000": [1, 2],
        "batch_100": [40, 80],
    }


# --- the pieces ----------------------------------------------------------------------


def test_random_networks_are_those_that_training_starts_from():
    task, optimizer = training.over_seeds(
        setting.task_of(setting.GUIDE), gradient_descent(1.0), 3
    )
    make = jax.jit(lambda key: initial_state(task, optimizer, key).params)
    trained_from = make(jax.random.key(7))
    networks = setting.random_networks(setting.GUIDE, 3, 7)
    for one, other in zip(
        jax.tree.leaves(networks), jax.tree.leaves(trained_from), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.smoke
def test_each_network_descends_at_its_own_rate():
    rates = np.array([0.5, 2.0], np.float32)
    gradient = {"w": jnp.ones((2, 3)), "b": jnp.ones(2)}
    update: Any = setting.at_rates(rates).update
    steps, _ = update(gradient, ())
    np.testing.assert_allclose(steps["w"], -rates[:, None] * np.ones((2, 3)))
    np.testing.assert_allclose(steps["b"], -rates)


def test_a_steep_network_is_the_plain_one_with_larger_weights():
    """The sweep computes sigma(k z) as sigma((k W) a + k b)."""
    k = 5.0
    steep = dataclasses.replace(setting.GUIDE, steepness=k)
    networks = setting.random_networks(setting.GUIDE, 2, 0)
    images = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    batch = {"image": images, "label": jnp.arange(4), "weight": jnp.ones(4)}
    task = smoothness.steep_task(np.array([k, 1.0], np.float32))
    (totals, _), _ = jax.jit(task.loss)(networks, batch, jax.random.key(0))
    for number, config in enumerate((steep, setting.GUIDE)):
        network = jax.tree.map(lambda leaf, n=number: leaf[n], networks)
        each = jax.jit(setting.cost_of(images, batch["label"], config))(network)
        np.testing.assert_allclose(totals[number], 4 * each, rtol=1e-5)


def test_dead_neurons_are_those_no_image_switches_on():
    config = dataclasses.replace(setting.GUIDE, activation="relu")
    network = jax.tree.map(lambda leaf: leaf[0], setting.random_networks(config, 1, 0))
    images = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    images = images.at[0].mul(0.1)  # one dark image
    # 4 of 32 hidden neurons can never fire, and the dark image leaves a fifth one off.
    bias = jnp.full(16, 1e3).at[:4].set(-1e3).at[4].set(-100)
    network["layer_1"]["bias"] = bias
    network["layer_1"]["weight"] = network["layer_1"]["weight"].at[4].set(1)
    network["layer_2"]["weight"] = jnp.abs(network["layer_2"]["weight"])
    network["layer_3"]["bias"] = jnp.full(10, -1e9)  # outputs are not counted
    assert float(dead_relu.dead_share(config, network, images)) == 4 / 32


def test_the_neuron_learns_as_the_formulas_say():
    """One step by hand: Nielsen's C = (a - 0)^2 / 2 and the cross-entropy."""
    w, b = 2.0, 2.0
    a = 1 / (1 + np.exp(-(w + b)))
    slopes: dict[CostName, Any] = {
        "squared_error": a * a * (1 - a),
        "cross_entropy": a,
    }
    for name, slope in slopes.items():
        z = w + b - 2 * saturation.RATE * slope
        outputs = saturation.outputs(name, (w, b))
        np.testing.assert_allclose(outputs[0], a, rtol=1e-6)
        np.testing.assert_allclose(outputs[1], 1 / (1 + np.exp(-z)), rtol=1e-6)


def test_the_plane_runs_through_its_networks():
    start, first, second = jax.random.normal(jax.random.key(0), (3, 50))
    axes = surface.axes_through(start, first, second)
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-6)
    for network in (first, second):
        at = axes @ (network - start)
        np.testing.assert_allclose(start + at @ axes, network, atol=1e-5)
    assert abs(float(axes[1] @ (first - start))) < 1e-5


def test_nudges_are_exact_where_float32_would_lose_them():
    networks = setting.random_networks(setting.GUIDE, 2, 0)
    images = jax.random.uniform(jax.random.key(1), (8, 28, 28, 1))
    labels = jnp.arange(8)
    config = gradient.Config(weights=40, nudge=1e-6)
    predicted, actual = gradient.nudges(
        config, networks, images, labels, jax.random.key(2)
    )
    np.testing.assert_allclose(actual, predicted, rtol=1e-3)
    slope = jax.grad(setting.cost_of(images, labels, setting.GUIDE))
    first = jax.tree.map(lambda leaf: leaf[0], networks)
    places = jax.random.permutation(jax.random.key(2), 13_002)[:40]
    np.testing.assert_allclose(
        predicted, 1e-6 * ravel_pytree(slope(first))[0][places], rtol=1e-3, atol=1e-12
    )


@pytest.mark.slow
def test_a_leaky_network_that_diverges_names_the_flag(tmp_path):
    config = dataclasses.replace(
        TOY,
        study="dead_relu",
        dead_relu=dead_relu.Config((0.1, 100.0), leaky_up_to=100.0, networks=1),
        workdir=str(tmp_path),
    )
    with pytest.raises(InputError, match=r"--dead_relu.leaky_up_to: a leaky_relu"):
        part2.run(config)


@pytest.mark.slow
def test_every_claim_of_the_full_run_is_as_expected(tmp_path):
    results = part2.run(part2.Config(workdir=str(tmp_path)))
    assert not [claim for claim in results.claims if claim.as_expected is not True]
    assert len(results.figures) == 10
