"""Many networks at once are the single networks."""

import jax
import numpy as np
import pytest
import toy

from nnguide import training
from nnguide.training.metrics import _scalars
from nnguide.training.step import initial_state, make_step


@pytest.mark.smoke
def test_each_member_is_the_single_run_from_its_key():
    settings = toy.config(log_every=1, steps=10, save_every=0)
    optimizer = training.make_optimizer(training.OptimizerConfig(rate=0.02), 10)
    task, many = training.over_seeds(toy.TASK, optimizer, 4)
    fit = training.fit(task, many, toy.TRAIN, settings, evaluation={"test": toy.TEST})
    assert len(fit.history[-1]["test/error"]) == len(fit.history[0]["loss"]) == 4

    init_key, _ = jax.random.split(jax.random.key(0))
    member = jax.random.split(init_key, 4)[3]
    single = toy.TASK._replace(init=lambda key: toy.TASK.init(member))

    def loss(params, batch, key):  # the key that member 3 gets
        return toy.loss(params, batch, jax.random.split(key, 4)[3])

    state = initial_state(single, optimizer, jax.random.key(0))
    step = make_step(single._replace(loss=loss), optimizer, toy.TRAIN)
    rows = toy.TRAIN.stream(0)
    for _ in range(10):
        state, _ = step(state, next(rows), (toy.TRAIN.arrays, {}), None)
    mine = jax.tree.map(lambda leaf: leaf[3], fit.state.params)
    assert toy.gap(mine, state.params) < 1e-6
    assert not np.allclose(fit.state.params["weight"][0], fit.state.params["weight"][3])


def test_tensorboard_gets_mean_and_extremes_of_many_networks():
    shown = _scalars("loss", [1.0, 2.0, 6.0])
    assert shown == {"loss": 3.0, "loss/min": 1.0, "loss/max": 6.0}
    assert _scalars("loss", 0.5) == {"loss": 0.5}
    assert _scalars("step", 3) == {}


def test_the_average_and_the_clip_work_on_each_network(key):
    config = training.OptimizerConfig(rate=0.02, clip=0.5, average_decay=0.9)
    settings = toy.config(save_every=0)
    task, many = training.over_seeds(toy.TASK, training.make_optimizer(config, 40), 2)
    fit = training.fit(task, many, toy.TRAIN, settings, evaluation={"test": toy.TEST})
    average = training.averaged(fit.state.opt_state, fit.state.params)
    assert average["weight"].shape == (2, 1, 5)
    batch = {"x": toy.INPUTS, "y": toy.TARGETS}
    each = [
        float(toy.errors(jax.tree.map(lambda p, i=i: p[i], average), batch).mean())
        for i in range(2)
    ]
    assert fit.history[-1]["test/error"] == pytest.approx(each, rel=1e-5)
