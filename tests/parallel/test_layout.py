"""Every layout of eight devices is the same computation as one device."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import layouts
import numpy as np
import pytest
import toy
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from nnguide.config import InputError
from nnguide.parallel import (
    ParallelConfig,
    compile_step,
    make_mesh,
    place,
    state_shardings,
)
from nnguide.parallel.mesh import AXES, mesh_shape

ALL = "data:2,fsdp:2,tensor:2"


@pytest.fixture(scope="module")
def one():
    """Model -> its fit on one device."""
    alone = ParallelConfig(devices=1)
    return functools.cache(lambda model: layouts.MODELS[model](alone))


def same(one, other):
    assert toy.gap(one.state.params, other.state.params) < 1e-5
    assert layouts.loss_gap(one, other) < 1e-5


@pytest.mark.parametrize(
    ("model", "way"),
    [
        pytest.param(
            model,
            way,
            marks=[pytest.mark.slow] if model == "U-Net" or way != ALL else [],
        )
        for model, run in layouts.MODELS.items()
        for way in layouts.ways(run)
    ],
)
def test_every_layout_is_one_device(one, model, way):
    same(one(model), layouts.ways(layouts.MODELS[model])[way]())


@pytest.mark.slow
def test_a_u_nets_gradient_is_the_same_on_all_axes():
    """The short form of the above: no loop, no optimizer."""
    task, batch = layouts.unet_task(), layouts.images_of(16)
    params = nn.unbox(task.init(jax.random.key(0)))
    mesh = make_mesh(ParallelConfig(mesh=ALL))
    layout = state_shardings(lambda: task.init(jax.random.key(0)), params, mesh, "jit")

    def step(params, batch, key, axis):
        del axis
        loss = jax.value_and_grad(lambda *given: task.loss(*given)[0][0])
        return loss(params, batch, key)[::-1]

    key = jax.random.key(1)
    run = compile_step(step, mesh, "jit", layout=layout)
    plain, loss = jax.jit(step, static_argnums=3)(params, batch, key, None)
    split, its = run(jax.device_put(params, layout), batch, place(key, mesh))
    assert float(its) == pytest.approx(float(loss), rel=1e-6)
    assert toy.gap(plain, split) < 1e-5 * max(
        abs(g).max() for g in jax.tree.leaves(plain)
    )


def test_parameters_moments_and_average_are_born_split():
    fit = layouts.gpt(ParallelConfig(mesh=ALL))
    up = fit.state.params["blocks"]["mlp"]["up_projection"]["kernel"]
    assert up.sharding.spec == P(None, "fsdp", "tensor")
    assert up.addressable_data(0).shape == (2, 8, 32)
    path_to_spec = {
        jax.tree_util.keystr(path): leaf.sharding.spec
        for path, leaf in jax.tree_util.tree_leaves_with_path(fit.state.opt_state)
    }
    ends = "['blocks']['mlp']['up_projection']['kernel']"
    mirrors = [spec for path, spec in path_to_spec.items() if path.endswith(ends)]
    assert len(mirrors) == 3  # both of Adam's moments, the running average
    assert set(mirrors) == {P(None, "fsdp", "tensor")}


def test_an_axis_that_does_not_divide_stays_whole():
    def boxed():
        weight = nn.LogicallyPartitioned(jnp.zeros((6, 16)), ("neurons", "embedding"))
        return {"weight": weight, "unnamed": jnp.zeros(8)}

    shapes = jax.eval_shape(lambda: nn.unbox(boxed()))
    mesh = make_mesh(ParallelConfig(mesh="fsdp:2,tensor:4"))
    layout = state_shardings(boxed, {"params": shapes, "step": shapes}, mesh, "jit")
    assert layout["params"]["weight"].spec == P(None, "fsdp")  # 6 over 4 stays whole
    assert layout["step"]["weight"].spec == P(None, "fsdp")  # mirrors it
    assert layout["params"]["unnamed"].spec == P()


@pytest.mark.parametrize("mode", ["shard_map", "pmap"])
def test_modes_that_keep_the_state_whole_refuse_to_split_it(mode):
    with pytest.raises(InputError, match=f"fsdp:2: --parallel.mode={mode} keeps"):
        layouts.mlp(ParallelConfig(mode, mesh="data:4,fsdp:2"))


@pytest.mark.parametrize(
    ("mesh", "shape"),
    [
        ("", (8, 1, 1)),
        ("fsdp:8", (1, 8, 1)),
        ("data:-1,tensor:2", (4, 1, 2)),
        ("tensor:2,fsdp:-1,data:2", (2, 2, 2)),
    ],
)
def test_a_mesh_is_read_by_names(mesh, shape):
    assert mesh_shape(mesh, 8) == shape


@pytest.mark.parametrize(
    ("mesh", "says"),
    [
        ("model:8", "model:8 is not AXIS:SIZE"),
        ("data:2,data:4", "data:4 is not AXIS:SIZE"),
        ("data:0", "data:0 is not AXIS:SIZE"),
        ("data:-1,fsdp:-1", "only one size may be -1"),
        ("data:3", "multiply to 3, but there are 8 device"),
        ("data:-1,fsdp:3", "multiply to 3, but there are 8 device"),
    ],
)
def test_a_mesh_that_does_not_fit_is_refused(mesh, says):
    with pytest.raises(InputError, match=says):
        mesh_shape(ParallelConfig(mesh=mesh).mesh, 8)


def test_checkpoints_of_eight_devices_restore_on_one_on_four_and_back(tmp_path):
    """To the last bit; a finished run trains nothing."""
    held = [layouts.mlp(ParallelConfig(mesh=ALL), workdir=tmp_path, steps=5).state]
    held += [layouts.mlp(ParallelConfig(devices=1), workdir=tmp_path, steps=5).state]
    four = Mesh(np.asarray(jax.devices()[:4]).reshape(1, 2, 2), AXES)
    moved = layouts.mlp(ParallelConfig(), workdir=tmp_path, steps=5, mesh=four).state
    weight = moved.params["layer_1"]["weight"]
    assert weight.sharding.spec == P("tensor", "fsdp")
    held += [moved, layouts.mlp(ParallelConfig(), workdir=tmp_path, steps=5).state]
    for state in held:
        assert int(state.step) == 5
        kept = [(each.params, each.opt_state) for each in (held[0], state)]
        assert toy.gap(*kept) == 0


def test_a_run_goes_on_from_eight_devices_on_one_and_on_another_mesh(tmp_path):
    straight = toy.fit(tmp_path / "straight")
    folder = tmp_path / "moved"
    toy.fit(folder, steps=10, parallel=ParallelConfig())
    toy.fit(folder, steps=20, parallel=ParallelConfig(devices=1))
    moved = toy.fit(folder, parallel=ParallelConfig(mesh="data:2,fsdp:4"))
    assert toy.gap(straight.state.params, moved.state.params) < 1e-6
