"""A dry run tells what the real run then needs, byte for byte."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import pytest

from experiments import dry_run
from experiments.dry import models
from experiments.dry.report import describe, shard_bytes
from nnguide import training
from nnguide.config import InputError
from nnguide.parallel import ParallelConfig, make_mesh, state_shardings
from nnguide.parallel.topologies import GIB, make_topology
from nnguide.training.step import initial_state
from nnguide.transformer.config import GPT2, TransformerConfig

SMALL = TransformerConfig(
    vocabulary=512, context=64, layers=3, embedding=64, heads=4, dropout=0.0
)
MESH = "data:2,fsdp:2,tensor:2"


@pytest.fixture(scope="module")
def report():
    return describe(models.gpt(SMALL, "everything"), make_topology("cpu:8", MESH), 16)


def test_bytes_are_those_of_the_arrays_that_a_device_holds(report):
    workload = models.gpt(SMALL, "none")
    mesh = make_mesh(ParallelConfig(mesh=MESH))
    key = jax.random.key(0)

    def make(key):
        return initial_state(workload.task, workload.optimizer, key)

    shapes = jax.eval_shape(make, key)
    layout = state_shardings(lambda: workload.task.init(key), shapes, mesh, "jit")
    state = jax.jit(make, out_shardings=layout)(key)

    def held(tree):
        leaves = jax.tree.leaves(tree)
        return sum(leaf.addressable_data(0).nbytes for leaf in leaves)

    assert report.bytes.params == held(state.params)
    assert report.bytes.optimizer == held(state.opt_state)
    assert report.bytes.gradients == report.bytes.params
    assert shard_bytes(shapes.key, layout.key) == 8
    tokens = jnp.zeros((16, 65), jnp.int32)
    split = jax.sharding.NamedSharding(
        mesh, jax.sharding.PartitionSpec(("data", "fsdp"))
    )
    assert report.bytes.batch == held(jax.device_put(tokens, split))


def test_flops_are_the_analytic_ones_to_a_percent(report):
    tokens, width, layers = 16 * 64, 64, 3
    weights = layers * 12 * width**2 + 512 * width
    expected = 6 * weights * tokens + layers * 12 * 16 * 64**2 * width
    assert report.model_flops == pytest.approx(expected, rel=0.01)
    assert report.model_flops < report.hardware_flops < 1.5 * report.model_flops


def test_the_program_talks_between_devices(report):
    assert report.traffic["all-reduce"].times > 0
    assert report.traffic["all-gather"].sent > 0  # of parameters split over fsdp
    assert report.bytes.temporaries > 0
    assert report.compile_seconds > 0


def test_gpt3_on_gpus_is_known_by_its_shapes():
    workload = models.MODELS["gpt3_175b"]("everything")
    found = describe(workload, make_topology("h100:1024", "fsdp:128,tensor:8"), 1024)
    assert found.parameters == 174_604_259_328
    assert found.traffic is None
    assert found.bytes.temporaries is None
    assert found.bytes.total < 80 * GIB
    # 6 N a token plus attention's own, PaLM's count, on 1,024 x 2,048 tokens.
    per_token = 6 * (174_604_259_328 - 2048 * 12288) + 12 * 96 * 12288 * 2048
    assert found.model_flops == pytest.approx(per_token * 1024 * 2048, rel=0.01)


def test_the_report_is_plain_json(report):
    config = dry_run.Config(topology="cpu:8", parallel=ParallelConfig(mesh=MESH))
    topology = make_topology("cpu:8", MESH)
    found = json.loads(json.dumps(dry_run.to_json(config, topology, 16, report)))
    assert found["bytes"]["total"] == report.bytes.total
    assert found["fits"] is None
    assert found["mesh"] == {"data": 2, "fsdp": 2, "tensor": 2}
    assert any("not known" not in line for line in dry_run.described(found))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"batch": "none"}, "--batch=none: give 1 or more, or auto"),
        ({"parallel": ParallelConfig("pmap")}, "a dry run takes the whole"),
    ],
)
def test_a_wrong_flag_is_named(fields, says):
    with pytest.raises(InputError, match=says):
        dry_run.Config(**fields)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(InputError, match="--batch=9: does not divide over 8"):
        dry_run.run(dry_run.Config(batch="9"))


def test_auto_needs_devices_whose_memory_is_known():
    with pytest.raises(InputError, match="--batch=auto: needs a TPU topology"):
        dry_run.run(dry_run.Config(batch="auto"))


def test_the_models_are_what_they_are_called():
    assert dataclasses.replace(GPT2, dropout=0.0).layers == 12
    assert set(models.MODELS) >= {"gpt3_175b", "gpt2_124m"}
    assert isinstance(models.MODELS["gpt2_124m"]("none").task, training.Task)
