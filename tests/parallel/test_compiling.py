"""Eight devices are one device, by jit, shard_map and pmap."""

import jax
import pytest
import toy
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from nnguide import parallel, training
from nnguide.config import InputError
from nnguide.parallel import ParallelConfig


@pytest.mark.smoke
@pytest.mark.parametrize("mode", ["jit", "shard_map", "pmap"])
@pytest.mark.parametrize(("accumulation", "steps_per_call"), [(1, 1), (2, 1), (1, 5)])
def test_eight_devices_are_one(mode, accumulation, steps_per_call):
    changes = {"accumulation": accumulation, "steps_per_call": steps_per_call}
    one = toy.fit(parallel=ParallelConfig(devices=1), **changes)
    eight = toy.fit(parallel=ParallelConfig(mode), **changes)
    assert len(eight.state.params["bias"].sharding.device_set) == 8
    assert toy.gap(one.state.params, eight.state.params) < 1e-6
    for row, other in zip(one.history, eight.history, strict=True):
        assert row == pytest.approx(other, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("mode", ["jit", "shard_map", "pmap"])
def test_all_modes_keep_one_state_layout_and_donate_it(mode):
    mesh = parallel.make_mesh()
    everywhere = NamedSharding(mesh, P())

    def step(state, rows, shared, axis):
        total = rows.sum()
        total = total if axis is None else jax.lax.psum(total, axis)
        return state + total, total

    run = parallel.compile_step(step, mesh, mode)
    before = parallel.place(jax.numpy.zeros(3), mesh)
    after, total = run(before, toy.INPUTS[:16, 0], ())
    assert before.is_deleted()
    assert after.sharding.is_equivalent_to(everywhere, 1)
    assert float(total) == pytest.approx(float(toy.INPUTS[:16, 0].sum()), rel=1e-5)


@pytest.mark.parametrize(("wrote", "reads"), [("jit", "pmap"), ("pmap", "shard_map")])
def test_a_run_goes_on_in_another_mode_and_on_other_devices(tmp_path, wrote, reads):
    straight = toy.fit()
    toy.fit(tmp_path, steps=20, parallel=ParallelConfig(wrote))
    resumed = toy.fit(tmp_path, parallel=ParallelConfig(reads, devices=4))
    assert toy.gap(straight.state.params, resumed.state.params) < 1e-6


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(InputError, match="batch of 16 does not divide over 3"):
        toy.fit(parallel=ParallelConfig(devices=3))


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(InputError, match="devices=9: JAX sees 8"):
        parallel.make_mesh(ParallelConfig(devices=9))


def test_networks_trained_at_once_spread_too():
    optimizer = training.make_optimizer(training.OptimizerConfig(rate=0.02), 40)
    task, many = training.over_seeds(toy.TASK, optimizer, 3)
    fits = [
        training.fit(
            task, many, toy.TRAIN, toy.config(parallel=ParallelConfig(devices=devices))
        )
        for devices in (1, 8)
    ]
    assert toy.gap(fits[0].state.params, fits[1].state.params) < 1e-6
