"""Part 1 at toy size, in full (slow), and killed at random moments (slow)."""

import dataclasses
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import part1_neural_network as part1
from experiments.part1 import inside, noise, random_labels
from nnguide.network.mlp import MlpConfig
from nnguide.parallel import ParallelConfig

TRAIN = dataclasses.replace(
    part1.Config().train, progress=False, parallel=ParallelConfig(devices=1)
)
FEW = dataclasses.replace(
    TRAIN,
    steps=400,
    steps_per_call=100,
    log_every=100,
    evaluate_every=100,
    save_every=200,
)


def claims_of(results):
    return {claim.id: claim for claim in results.claims}


@pytest.mark.smoke
def test_a_toy_run_learns_and_leaves_everything(tmp_path):
    config = part1.Config(
        study="digits", workdir=str(tmp_path), train=FEW, batch_sizes=(10,), seeds=2
    )
    results = part1.run(config)
    claims = claims_of(results)
    assert claims["1.parameter_count"].measured == 13_002
    assert claims["1.three_forms"].as_expected
    accuracy = claims["1.accuracy_batch_10"]
    assert accuracy.measured > 0.4  # one epoch; chance is 0.1
    assert accuracy.as_expected is None
    written = json.loads((tmp_path / "results.json").read_text())
    assert [c["id"] for c in written["claims"]] == list(claims)
    for figure in results.figures:
        with Image.open(tmp_path / figure) as picture:
            assert picture.width >= 1600  # twice the page
        assert (tmp_path / figure).with_suffix(".npz").exists()

    def files():  # pictures apart: matplotlib's layout may move by a last bit
        paths = [path for path in tmp_path.rglob("*") if path.is_file()]
        return {p: p.read_bytes() for p in paths if p.suffix != ".png"}

    before = files()
    part1.run(config)
    after = files()
    changed = {path.name for path in before if before[path] != after.get(path)}
    assert changed <= {"results.json"}  # the wall time
    assert set(after) == set(before)


def test_every_study_at_toy_size(tmp_path, monkeypatch):
    monkeypatch.setattr(random_labels, "EPOCHS", {"random labels": 2})
    monkeypatch.setattr(random_labels, "FEWER_EPOCHS", 2)
    monkeypatch.setattr(random_labels, "SIZE", 200)
    monkeypatch.setattr(noise, "COUNT", 200)
    monkeypatch.setattr(inside, "CONVNET_EPOCHS", 1)
    config = part1.Config(workdir=str(tmp_path), train=FEW, batch_sizes=(10,), seeds=1)
    results = part1.run(config)
    assert len(results.claims) == 14
    assert len(results.figures) == 8
    wrong = {claim.id for claim in results.claims if claim.as_expected is False}
    assert wrong <= {"1.random_labels_fit", "1.random_labels_slower"}  # 2 epochs of 80
    folders = {path.parent.name for path in tmp_path.rglob("metrics.jsonl")}
    assert folders == {
        "batch_10",
        "convnet",
        "true_labels",
        "random_labels",
        "one_pixel_shuffle",
        "a_shuffle_an_image",
    }
    plans = part1.plans(config).values()
    assert folders == {plan.name for found in plans for plan in found}


@pytest.mark.slow
def test_relu_cross_entropy_and_other_widths_by_flags(tmp_path):
    network = MlpConfig((784, 24, 10), "relu", "cross_entropy")
    optimizer = dataclasses.replace(part1.Config().optimizer, rate=0.1)
    config = part1.Config(
        study="digits",
        workdir=str(tmp_path),
        train=FEW,
        network=network,
        optimizer=optimizer,
        batch_sizes=(20,),
        seeds=1,
    )
    assert claims_of(part1.run(config))["1.accuracy_batch_20"].measured > 0.8


def test_random_labels_are_fixed_and_random():
    source = part1.load(part1.Config()).train
    sets = random_labels.variants(source, seed=0)
    again = random_labels.variants(source, seed=0)
    true = sets["true labels"].arrays()
    drawn = sets["random labels"].arrays()
    shuffled = sets["one pixel shuffle"].arrays()
    assert (drawn["label"] == again["random labels"].arrays()["label"]).all()
    assert (drawn["image"] == true["image"]).all()
    assert 0.07 < (drawn["label"] == true["label"]).mean() < 0.13
    assert (shuffled["label"] == true["label"]).all()
    assert (
        np.sort(shuffled["image"], axis=None) == np.sort(true["image"], axis=None)
    ).all()
    assert not (shuffled["image"] == true["image"]).all()


@pytest.mark.slow
def test_every_claim_of_the_full_run_is_as_expected(tmp_path):
    results = part1.run(part1.Config(workdir=str(tmp_path), train=TRAIN))
    wrong = [claim for claim in results.claims if claim.as_expected is not True]
    assert not wrong
    assert len(results.claims) == 15
    assert len(results.figures) == 8


@pytest.mark.slow
def test_fashion_mnist_whole(tmp_path):
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Debian's dataset-fashion-mnist is not installed")
    flagfile = Path(part1.__file__).parent / "flagfiles/part1_fashion_mnist.flags"
    command = [sys.executable, "-m", "experiments.part1_neural_network"]
    subprocess.run(
        [*command, f"--flagfile={flagfile}", f"--workdir={tmp_path}"], check=True
    )
    claims = json.loads((tmp_path / "results.json").read_text())["claims"]
    accuracy = next(c for c in claims if c["id"] == "1.fashion_accuracy")
    assert accuracy["measured"] >= 0.893


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_bit_equal(tmp_path):
    command = [
        sys.executable,
        "-m",
        "experiments.part1_neural_network",
        "--study=digits",
        "--batch_sizes=10",
        "--train.save_every=400",
        "--notrain.progress",
    ]

    def start(workdir):
        return subprocess.Popen(
            [*command, f"--workdir={workdir}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert start(tmp_path / "compiles").wait(300) == 0  # later ones do not: shorter
    started = time.monotonic()
    assert start(tmp_path / "straight").wait(300) == 0
    whole = time.monotonic() - started
    killed = 0
    for number in range(6):
        process = start(tmp_path / "killed")
        try:
            process.wait(timeout=random.Random(number).uniform(0.2, 0.8) * whole)
        except subprocess.TimeoutExpired:
            process.kill()  # SIGKILL
            process.wait()
            killed += 1
    assert start(tmp_path / "killed").wait(300) == 0
    name = "batch_10/metrics.jsonl"
    assert (tmp_path / "killed" / name).read_bytes() == (
        tmp_path / "straight" / name
    ).read_bytes()
    assert killed > 0
    shutil.rmtree(tmp_path)
