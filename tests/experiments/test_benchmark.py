"""The benchmark's lines, and that its twins do the same work."""

import json

import numpy as np
import pytest

from experiments import benchmark
from experiments.benchmarks.peers import mlp_numpy
from nnguide.config import InputError


def test_ratio_is_our_rate_over_theirs_round_by_round():
    case = benchmark.Case("toy", 10, "things", {})
    seconds = {"nnguide": [1.0, 2.0, 1.0], "peer": [3.0, 6.0, 4.0]}
    ours, peer = benchmark.lines("toy", case, seconds)
    assert (ours["ratio"], peer["ratio"]) == (1.0, 3.0)
    assert (peer["median_ms"], peer["rate"], peer["unit"]) == (4000.0, 2.5, "things/s")
    assert set(peer) == set(json.loads(json.dumps(ours)))


def test_contenders_take_turns_and_the_first_turn_does_not_count(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "SETTLE", 0)
    turns = []
    case = benchmark.Case(
        "toy", 1, "x", {n: lambda n=n: turns.append(n) for n in ("nnguide", "peer")}
    )
    seconds = benchmark.measure(case, 3)
    assert turns == ["nnguide", "peer"] * 4
    assert all(len(each) == 3 for each in seconds.values())
    assert capsys.readouterr().out == ""


def test_too_few_rounds_are_refused():
    with pytest.raises(InputError, match="--rounds=2"):
        benchmark.Config(rounds=2)


def test_the_numpy_twin_learns():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    images = (random.normal(size=(300, 6)) * 0.1).astype(np.float32)
    images[np.arange(300), labels] += 1
    weights, biases = mlp_numpy.initial_parameters((6, 5, 3))
    turn = mlp_numpy.epoch(images, labels, (weights, biases), 10, 1.5)
    for _ in range(20):
        turn()
    a = images
    for w, b in zip(weights, biases, strict=True):
        a = 1 / (1 + np.exp(-(a @ w.T + b[:, 0])))
    assert (a.argmax(1) == labels).mean() > 0.95
