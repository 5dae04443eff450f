"""A dry run tells what the real run then needs, byte for byte."""

import dataclasses
import json
import math

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from experiments import dry_run
from experiments.dry import models
from experiments.dry.report import Bytes, Report, describe, shard_bytes
from nnguide import flops
from nnguide.config import InputError
from nnguide.diffusion.clip import ClipConfig
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.unet import UnetConfig
from nnguide.parallel import ParallelConfig, make_mesh, state_shardings
from nnguide.parallel.topologies import CHIPS, GIB, make_topology
from nnguide.training.step import initial_state, make_step
from nnguide.transformer.config import TransformerConfig

MESH = "data:2,fsdp:2,tensor:2"
BATCH = 16
SMALL = TransformerConfig(
    vocabulary=512, context=64, layers=3, embedding=64, heads=4, dropout=0.0
)
VIT = dataclasses.replace(SMALL, context=17, embedding=32, causal=False)
TOWERS = ClipConfig(size=16, image_tower="vit", patch=4, vit=VIT, text=SMALL, shared=24)
UNET = UnetConfig(
    size=16, channels=3, patch=1, width=16, multiples=(1, 2), blocks=1, attention=(8,),
    head_width=16, classes=5, outputs=6,
)  # fmt: skip
WORKLOADS = {
    "gpt": models.gpt(SMALL, "none"),
    "clip": models.towers(TOWERS, "none"),
    "unet": models.denoising(UNET, NoiseConfig(), 1e-4),
}
RESIZED = dataclasses.replace(UNET, resize="residual", told="add")


@pytest.fixture(scope="module")
def report():
    return describe(models.gpt(SMALL), make_topology("cpu:8", MESH), BATCH)


@pytest.mark.parametrize("name", WORKLOADS)
def test_bytes_are_those_of_the_arrays_that_each_device_holds(name):
    workload = WORKLOADS[name]
    told = describe(workload, make_topology("h100:8", MESH), BATCH).bytes
    mesh = make_mesh(ParallelConfig(mesh=MESH))
    key = jax.random.key(0)

    def make(key):
        return initial_state(workload.task, workload.optimizer, key)

    shapes = jax.eval_shape(make, key)
    layout = state_shardings(lambda: workload.task.init(key), shapes, mesh, "jit")
    split = NamedSharding(mesh, PartitionSpec(("data", "fsdp")))

    def put(shape, sharding):
        return jax.device_put(np.zeros(shape.shape, shape.dtype), sharding)

    params = jax.tree.map(put, shapes.params, layout.params)
    opt_state = jax.tree.map(put, shapes.opt_state, layout.opt_state)
    rows = jax.tree.map(lambda row: put(row, split), workload.rows(BATCH))

    def held(tree, device):
        shards = (s for leaf in jax.tree.leaves(tree) for s in leaf.addressable_shards)
        return sum(shard.data.nbytes for shard in shards if shard.device == device)

    for device in mesh.devices.flat:
        assert told.params == held(params, device)
        assert told.optimizer == held(opt_state, device)
        assert told.batch == held(rows, device)
    assert told.gradients == told.params
    assert shard_bytes(shapes.key, layout.key) == 8


def test_a_gpt_s_flops_are_the_analytic_ones_to_a_percent(report):
    tokens, width, layers = BATCH * 64, 64, 3
    weights = layers * 12 * width**2 + 512 * width
    expected = 6 * weights * tokens + layers * 12 * BATCH * 64**2 * width
    assert report.model_flops == pytest.approx(expected, rel=0.01)
    assert report.model_flops < report.hardware_flops < 1.5 * report.model_flops


def test_clip_s_flops_are_the_analytic_ones_to_a_percent():
    def tower(config):
        tokens, width = config.context, config.embedding
        a_layer = 24 * tokens * width**2 + 4 * tokens**2 * width
        return config.layers * a_layer + 2 * width * TOWERS.shared

    patches = 2 * 16 * VIT.embedding * 3 * 4**2  # whose inputs need no gradient
    cosines = 2 * 2 * BATCH * TOWERS.shared  # of pictures and of captions
    forward = tower(VIT) + tower(SMALL) + cosines
    expected = BATCH * (3 * forward + 2 * patches)
    assert counted(WORKLOADS["clip"])[1] == pytest.approx(expected, rel=0.01)


def counted(workload):
    """Shapes of the state, and the FLOPs of a step with nothing computed twice."""
    state = jax.eval_shape(
        lambda: initial_state(workload.counted, workload.optimizer, jax.random.key(0))
    )
    step = make_step(workload.counted, workload.optimizer, workload.batches)
    rows = workload.rows(BATCH)
    return state, flops.count(lambda s, r: step(s, r, ((), {}), None), state, rows)


@pytest.mark.parametrize(
    "config", [UNET, pytest.param(RESIZED, marks=pytest.mark.slow)]
)
def test_a_unet_s_flops_are_the_analytic_ones_to_a_percent(config):
    state, told = counted(models.denoising(config, NoiseConfig(), 1e-4))
    forward = stem = 0
    for path, kernel in jax.tree_util.tree_leaves_with_path(state.params):
        names = [entry.key for entry in path[1:]]  # without "unet"
        if names[-1] == "kernel":
            side = _side(config, names[0])
            outputs = _outputs(names, side)
            forward += 2 * math.prod(kernel.shape[-2:]) * outputs
            stem += 2 * math.prod(kernel.shape[-2:]) * outputs * (names[0] == "stem")
            if names[-2:] == ["query", "kernel"]:
                forward += 4 * side**4 * kernel.shape[-1]
    assert told == pytest.approx(BATCH * (3 * forward - stem), rel=0.01)


def _side(config, name):
    """Height of the maps that a part of a U-Net with two levels works on."""
    small = name.startswith(("middle", "down_1", "down_0_halve"))
    small |= name.startswith("up_1") and not name.endswith("double")
    return config.size // 2 if small else config.size


def _outputs(names, side):
    """How often a kernel's matrix is used in an image, taps on padding left out."""
    if "told" in names or names[0] == "conditioning":
        return 1
    if "beside" in names or names[-2] in ("query", "key", "value_down", "value_up"):
        return side**2
    if names == ["down_0_halve", "kernel"]:
        return (3 * side - 1) ** 2  # strides of 2 leave a row and a column over
    return (3 * side - 2) ** 2


def test_the_program_talks_between_devices(report):
    assert report.traffic["all-reduce"].times > 0
    assert report.traffic["all-gather"].sent > 0  # of parameters split over fsdp
    assert report.bytes.temporaries > 0
    assert report.compile_seconds > 0


def test_gpt3_on_gpus_is_known_by_its_shapes():
    workload = models.MODELS["gpt3_175b"]("auto")
    found = describe(workload, make_topology("h100:1024", "fsdp:128,tensor:8"), 1024)
    assert found.parameters == 174_604_259_328
    assert found.traffic is None
    assert found.bytes.temporaries is None
    assert found.bytes.total < 80 * GIB
    # 6 N a token plus attention's own, PaLM's count, on 1,024 x 2,048 tokens.
    per_token = 6 * (174_604_259_328 - 2048 * 12288) + 12 * 96 * 12288 * 2048
    assert found.model_flops == pytest.approx(per_token * 1024 * 2048, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [  # of a forward pass, where a tap on padding counts; ours do not
        ("unet_cifar10", 35_746_307, 6.1e9),  # Fang et al., arXiv 2305.10924
        ("unet_adm64", 295_904_454, 110e9),  # Karras et al., arXiv 2312.02696
        ("clip", 151_277_313, 7.4e9),
        # 123.5 M weights, and all 1,024 x 1,024 pairs, as PaLM counts them.
        ("gpt2_124m", 124_439_808, 1024 * (123.5e6 + 24 * 768 * 1024)),
    ],
)
def test_published_networks_cost_what_is_published(name, parameters, multiply_adds):
    found = describe(models.MODELS[name]("auto"), make_topology("h100:8", ""), 8)
    assert found.parameters == parameters
    assert 0.92 < found.model_flops / 8 / 6 / multiply_adds < 1.01


def test_the_report_is_plain_json(report):
    config = dry_run.Config(topology="cpu:8", parallel=ParallelConfig(mesh=MESH))
    topology = make_topology("cpu:8", MESH)
    told = dry_run.to_json(config, topology, BATCH, report)
    found = json.loads(json.dumps(told))
    assert found == told
    assert found["bytes"]["total"] == report.bytes.total
    assert found["fits"] is None
    assert found["unit"] == "tokens"
    assert found["mesh"] == {"data": 2, "fsdp": 2, "tensor": 2}
    lines = dry_run.described(found)
    assert lines[0].startswith("gpt2_124m on cpu:8 (8 devices, data:2,fsdp:2,tensor:2)")
    assert not any("not known" in line for line in lines)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"batch": "none"}, "--batch=none: give 1 or more, or auto"),
        ({"batch": "0"}, "--batch=0: give 1 or more, or auto"),
        ({"parallel": ParallelConfig("pmap")}, "a dry run takes the whole"),
        ({"parallel": ParallelConfig(devices=2)}, "a dry run takes the whole"),
    ],
)
def test_a_wrong_flag_is_named(fields, says):
    with pytest.raises(InputError, match=says):
        dry_run.Config(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"batch": "9"}, "--batch=9: does not divide over 8"),
        ({"batch": "auto"}, "--batch=auto: needs a TPU topology"),
        ({"topology": "h100:8", "batch": "auto"}, "--batch=auto: needs a TPU topology"),
        ({"model": "unet_cifar10", "remat": "products"}, "--remat=products: a U-Net"),
    ],
)
def test_what_cannot_be_is_refused(fields, says):
    with pytest.raises(InputError, match=says):
        dry_run.run(dry_run.Config(**fields))


@pytest.mark.parametrize("largest", [1, 2, 3, 37, 1000])
@pytest.mark.parametrize("power", [1.0, 0.5, 2.0])  # of the batch, in the bytes
def test_auto_finds_the_largest_batch_that_fits(monkeypatch, largest, power):
    tried = []

    def pretended(workload, topology, batch):
        examples = batch // 8
        tried.append(examples)
        needed = int(GIB * (2 + 14 * (examples / largest) ** power))
        held = Bytes(GIB, GIB, GIB, 0, needed - 2 * GIB)
        return Report(1, held, 1, 1, {}, False, {}, 0.0, 1, "tokens")

    monkeypatch.setattr(dry_run, "describe", pretended)
    topology = make_topology("cpu:8", "data:8")._replace(kind="v5e")  # 16 GiB
    batch, found = dry_run._largest(WORKLOADS["gpt"], topology)
    assert batch == 8 * largest
    assert found.bytes.total <= 16 * GIB
    assert len(tried) == len(set(tried)) <= 16


def test_auto_looks_beyond_a_size_whose_layout_is_dear():
    fitting = {2: 2 * GIB, 31: 10 * GIB}
    assert dry_run._next_trial(fitting, {32}, 16 * GIB, last_fits=False) == 33
    assert dry_run._next_trial(fitting, {32, 33}, 16 * GIB, last_fits=False) is None
    fitting[33] = 11 * GIB
    assert dry_run._next_trial(fitting, {32}, 16 * GIB, last_fits=True) == 43


def test_auto_is_not_misled_by_a_dear_layout():
    # As libtpu told for GPT-2, 16 times two windows a chip among them.
    gib = {1: 0.75, 2: 1.11, 32: 10.6, 49: 11.14}
    fitting = {size: int(needed * GIB) for size, needed in gib.items()}
    assert dry_run._next_trial(fitting, set(), 16 * GIB, last_fits=True) == 93


def test_auto_says_when_nothing_fits(monkeypatch):
    held = Bytes(20 * GIB, 0, 0, 0, 0)
    too_large = Report(1, held, 1, 1, {}, False, {}, 0.0, 1, "tokens")
    monkeypatch.setattr(dry_run, "describe", lambda *_: too_large)
    topology = make_topology("cpu:8", "data:8")._replace(kind="v5e")
    with pytest.raises(InputError, match="not even 8 examples fit"):
        dry_run._largest(WORKLOADS["gpt"], topology)


@pytest.mark.slow
def test_gpt3_compiles_for_a_pod_and_fits():
    pytest.importorskip("libtpu")
    topology = make_topology("v5p:8x8x16", "fsdp:128,tensor:8")
    found = describe(models.MODELS["gpt3_175b"]("auto"), topology, 1024)
    assert found.bytes.total < 60 * GIB  # of 95
    # Each device sends its 8th of all gradients once, in bfloat16.
    assert found.traffic is not None
    sent = found.traffic["reduce-scatter"].sent
    assert sent == pytest.approx(2 * found.parameters / 8, rel=0.02)
    # Blocks are computed twice forward, but for their last product (a third of their
    # weights), whose result no gradient reads.
    ceiling = 1 / (1 + (1 - 1 / 3) / 3)
    assert found.utilization(topology) == pytest.approx(ceiling, rel=0.005)


@pytest.mark.slow
def test_auto_ends_at_the_largest_batch_that_libtpu_fits(monkeypatch):
    pytest.importorskip("libtpu")
    memory = GIB // 2
    monkeypatch.setitem(CHIPS, "v5e", CHIPS["v5e"]._replace(memory=memory))
    # Its logits, 64 MiB an example, soon leave the core's memory, which is not counted.
    config = dataclasses.replace(SMALL, vocabulary=2**15, context=1024, layers=1)
    workload, topology = models.gpt(config), make_topology("v5e:2x2", "")
    tried = {}

    def remembered(workload, topology, batch):
        tried[batch] = describe(workload, topology, batch)
        return tried[batch]

    monkeypatch.setattr(dry_run, "describe", remembered)
    batch, found = dry_run._largest(workload, topology)
    assert batch >= 2 * 4
    assert found.bytes.total <= memory < tried[batch + 4].bytes.total
    assert not tried[batch + 8].fits(topology)


@pytest.mark.slow
def test_what_libtpu_refuses_does_not_fit():
    pytest.importorskip("libtpu")
    topology = make_topology("v5e:2x2", "fsdp:4")
    config = dry_run.Config(topology="v5e:2x2", parallel=ParallelConfig(mesh="fsdp:4"))
    found = describe(models.MODELS["gpt2_124m"]("auto"), topology, 512)
    assert found.refused
    assert found.bytes.total > 16 * GIB
    told = dry_run.to_json(config, topology, 512, found)
    assert told["fits"] is False
    assert any("DOES NOT FIT" in line for line in dry_run.described(told))
