"""Rollouts and steps in turn: resumed = straight, and every row is used as told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from nnguide import training
from nnguide.config import InputError
from nnguide.training import Rounds

ROUNDS = Rounds(rows=8, batch_size=4, epochs=2)  # of 4 steps


def rollout(params, number, key):
    """Inputs that depend on all that they may depend on."""
    noise = jax.random.normal(key, (8, 5))
    x = noise + params["bias"][None] + 0.01 * number
    return {"x": x, "y": x.sum(-1), "row": jnp.arange(8) + 8 * number}


def loss(params, batch, key):
    total, metrics = toy.loss(params, batch, key)
    return total, {
        **metrics,
        "rows": ((batch["row"] ** 2).sum(), batch["weight"].sum()),
    }


TASK = toy.TASK._replace(loss=loss)


def fit(workdir=None, rounds=ROUNDS, make=rollout, **changes):
    settings = toy.config(
        **{"steps": 24, "log_every": 4, "evaluate_every": 8, "save_every": 8, **changes}
    )
    return training.fit_alternating(
        TASK,
        training.make_optimizer(training.OptimizerConfig("adamw", 0.02), 24),
        make,
        rounds,
        settings,
        evaluation={"test": toy.TEST},
        workdir=workdir,
    )


@pytest.mark.smoke
@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_a_stopped_and_resumed_run_ends_bit_equal(tmp_path, steps_per_call):
    straight = fit(tmp_path / "straight", steps_per_call=steps_per_call)
    fit(tmp_path / "resumed", steps=8, steps_per_call=steps_per_call)
    resumed = fit(tmp_path / "resumed", steps_per_call=steps_per_call)
    assert toy.gap(straight.state.params, resumed.state.params) == 0
    assert toy.gap(straight.state.opt_state, resumed.state.opt_state) == 0
    files = [tmp_path / name / "metrics.jsonl" for name in ("straight", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(straight.history) == 6


def test_calls_of_several_steps_are_the_same_training():
    one, two = fit(), fit(steps_per_call=2)
    assert toy.gap(one.state.params, two.state.params) < 1e-6


def test_a_killed_run_makes_the_round_again(tmp_path):
    made = []

    def told(params, number, key):
        made.append((number, float(params["bias"][0])))
        if len(made) == 5:  # in the fifth round, after the save at step 16
            raise KeyboardInterrupt
        return rollout(params, number, key)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, make=told)
    resumed = fit(tmp_path, make=told)
    assert [number for number, _ in made] == [0, 1, 2, 3, 4, 4, 5]
    assert made[4] == made[5]
    assert toy.gap(resumed.state.params, fit().state.params) == 0


def test_every_row_is_used_once_an_epoch_in_an_order_of_its_own():
    orders = []

    def seen(params, batch, key):
        jax.debug.callback(lambda row: orders.append(np.asarray(row)), batch["row"])
        return loss(params, batch, key)

    settings = toy.config(steps=4, log_every=4, evaluate_every=0, save_every=0)
    training.fit_alternating(
        TASK._replace(loss=seen),
        training.make_optimizer(toy.PLAIN, 4),
        rollout,
        ROUNDS,
        settings,
    )
    jax.effects_barrier()
    first, second = np.concatenate(orders[:2]), np.concatenate(orders[2:])
    assert sorted(first) == sorted(second) == list(range(8))
    assert first.tolist() != second.tolist()


def test_a_finished_run_makes_no_data(tmp_path):
    first = fit(tmp_path)

    def never(params, number, key):
        raise AssertionError

    again = fit(tmp_path, make=never)
    assert again.history == first.history


def test_both_loops_begin_with_the_parameters_given():
    start = {"weight": jnp.ones((1, 5)), "bias": jnp.full(1, 7.0)}
    still = training.make_optimizer(training.OptimizerConfig(rate=1e-30), 4)
    settings = toy.config(steps=4, log_every=4, evaluate_every=0, save_every=0)
    one = training.fit(toy.TASK, still, toy.TRAIN, settings, start=start)
    other = training.fit_alternating(
        TASK, still, rollout, ROUNDS, settings, start=start
    )
    for fitted in (one, other):
        assert toy.gap(fitted.state.params, start) == 0  # start itself is not donated
    wrong = {"weight": jnp.ones((1, 4)), "bias": jnp.ones(1)}
    with pytest.raises(InputError, match=r"start: weight is \(1, 4\) .* and \(1, 5\)"):
        training.fit(toy.TASK, still, toy.TRAIN, settings, start=wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 22}, r"train\.steps=22: must be a multiple of the 4 steps"),
        ({"save_every": 10, "log_every": 2}, r"train\.save_every=10: .* the 4 steps"),
        ({"steps_per_call": 8, "log_every": 8}, r"train\.steps_per_call=8: must div"),
    ],
)
def test_only_whole_rounds_are_trained(changes, message):
    with pytest.raises(InputError, match=message):
        fit(**changes)


def test_rounds_that_do_not_divide_are_refused():
    with pytest.raises(InputError, match=r"rounds\.rows=8: .* rounds\.batch_size=3"):
        Rounds(8, 3)
    with pytest.raises(InputError, match=r"rounds\.epochs=0"):
        Rounds(8, 4, 0)
