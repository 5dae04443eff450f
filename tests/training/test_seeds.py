"""Many networks at once are the single networks."""

import jax
import numpy as np
import pytest
import toy

from nnguide import training
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
