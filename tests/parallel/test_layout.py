"""Every layout of eight devices is the same computation as one device."""

import itertools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy
from jax.sharding import PartitionSpec as P

from nnguide import training
from nnguide.config import InputError
from nnguide.data.batches import Batches, shuffled
from nnguide.data.text import text_batches
from nnguide.language import next_token
from nnguide.network import classify
from nnguide.network.mlp import Mlp, MlpConfig
from nnguide.parallel import ParallelConfig, make_mesh, state_shardings
from nnguide.parallel.mesh import mesh_shape
from nnguide.transformer.config import Execution, TransformerConfig

MESHES = (
    "data:2,fsdp:2,tensor:2",
    *(
        pytest.param(mesh, marks=pytest.mark.slow)
        for mesh in (
            "data:8",
            "fsdp:8",
            "tensor:8",
            "data:4,fsdp:2",
            "data:2,tensor:4",
            "fsdp:4,tensor:2",
        )
    ),
)
GPT = TransformerConfig(
    vocabulary=16, context=8, layers=2, embedding=16, heads=8, dropout=0.0,
    biases=False,  # a key's bias has gradient 0 but for rounding, which Adam blows up
)  # fmt: skip
TEXT = np.random.default_rng(0).integers(0, 16, 500).astype(np.uint16)


def fit(task, batches, parallel, **changes):
    optimizer = training.OptimizerConfig("adamw", 1e-2, weight_decay=0.1, clip=1.0)
    config = training.Config(
        **{"steps": 5, "log_every": 1, "progress": False, **changes}, parallel=parallel
    )
    return training.fit(
        task,
        training.make_optimizer(optimizer, config.steps),
        batches,
        config,
        evaluation={"same": _ended(batches)},
    )


def _ended(batches):
    return batches._replace(stream=lambda first: itertools.islice(batches.stream(0), 2))


def gpt(parallel, layers: Any = "auto", remat: Any = "none", **changes):
    execution = Execution(layers=layers, remat=remat)
    task = training.Task(*next_token.functions(GPT, execution))
    return fit(task, text_batches(TEXT, 16, GPT.context, seed=0), parallel, **changes)


def mlp(parallel, **changes):
    task = training.Task(
        *classify.functions(Mlp(MlpConfig((16, 24, 8))), "squared_error", (4, 4))
    )
    images = np.random.default_rng(1).integers(0, 256, (64, 4, 4)).astype(np.uint8)
    labels = np.arange(64, dtype=np.int32) % 8

    def assemble(arrays, rows, key):
        return {"image": arrays[0][rows] / 255.0, "label": arrays[1][rows]}

    batches = Batches(shuffled(64, 16, 0), assemble, (images, labels))
    return fit(task, batches, parallel, **changes)


@pytest.fixture(scope="module")
def one():
    alone = ParallelConfig(devices=1)
    return {model: model(alone) for model in (gpt, mlp)}


def same(one, other):
    assert toy.gap(one.state.params, other.state.params) < 1e-5
    for row, its in zip(one.history, other.history, strict=True):
        assert row == pytest.approx(its, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("mesh", MESHES)
@pytest.mark.parametrize("model", [gpt, mlp])
def test_every_mesh_is_one_device(one, model, mesh):
    same(one[model], model(ParallelConfig(mesh=mesh)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"accumulation": 2},
        {"layers": "scan", "remat": "everything"},
        {"layers": "loop", "steps_per_call": 5, "log_every": 5},
    ],
)
def test_other_ways_to_compute_it_are_one_device_too(one, changes):
    split = gpt(ParallelConfig(mesh="data:2,fsdp:2,tensor:2"), **changes)
    assert toy.gap(one[gpt].state.params, split.state.params) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["shard_map", "pmap"])
def test_shard_map_and_pmap_are_jit(one, mode):
    same(one[gpt], gpt(ParallelConfig(mode)))


def test_parameters_moments_and_average_are_born_split():
    fit = gpt(ParallelConfig(mesh="data:2,fsdp:2,tensor:2"))
    up = fit.state.params["blocks"]["mlp"]["up_projection"]["kernel"]
    assert up.sharding.spec == P(None, "fsdp", "tensor")
    assert up.addressable_data(0).shape == (2, 8, 32)
    path_to_spec = {
        jax.tree_util.keystr(path): leaf.sharding.spec
        for path, leaf in jax.tree_util.tree_leaves_with_path(fit.state.opt_state)
    }
    ends = "['blocks']['mlp']['up_projection']['kernel']"
    mirrors = [spec for path, spec in path_to_spec.items() if path.endswith(ends)]
    assert len(mirrors) == 2  # both of Adam's moments
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
        mlp(ParallelConfig(mode, mesh="data:4,fsdp:2"))


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


def test_checkpoints_move_between_meshes_exactly(tmp_path):
    straight = toy.fit(tmp_path / "straight")
    folder = tmp_path / "moved"
    toy.fit(folder, steps=10, parallel=ParallelConfig())
    toy.fit(folder, steps=20, parallel=ParallelConfig(devices=1))
    moved = toy.fit(folder, parallel=ParallelConfig(mesh="data:2,fsdp:4"))
    assert toy.gap(straight.state.params, moved.state.params) < 1e-6
