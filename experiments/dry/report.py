"""Everything that can be known of a training step before it runs.

Bytes come from the shapes and shardings of the real state, temporaries and
communication from the compiled program, FLOPs from the jaxpr, times from what the
devices can do at most.
"""

import math
import re
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from experiments.dry.models import Workload
from nnguide import flops, target
from nnguide.array_types import Key
from nnguide.parallel import lower_step, state_shardings
from nnguide.parallel.communication import Traffic, traffic
from nnguide.parallel.topologies import Topology
from nnguide.training.step import State, initial_state, make_step

# How libtpu says that a program needs more memory than a chip has.
_TOO_MUCH = re.compile(r"required for HLO temporaries \(([\d.]+)([KMGT])\) exceeds")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Bytes(NamedTuple):
    """What one device holds, in bytes.

    Attributes:
      params: of the parameters.
      optimizer: of its state.
      gradients: of the parameters' gradients, float32, split as they are.
      batch: of its rows.
      temporaries: activations and all else that the program needs for a while, the
        gradients among it; None where nothing was compiled.
    """

    params: int
    optimizer: int
    gradients: int
    batch: int
    temporaries: int | None

    @property
    def total(self) -> int:
        """At the worst moment of a step."""
        held = self.params + self.optimizer + self.batch
        return held + max(self.temporaries or 0, self.gradients)


class Report(NamedTuple):
    """What a step needs.

    Attributes:
      parameters: how many.
      bytes: on one device.
      model_flops: of a step, over all devices, nothing counted twice.
      hardware_flops: with what is computed anew.
      traffic: kind -> collectives of one device; None where nothing was compiled.
      refused: whether the compiler found no way to do with a chip's memory.
      seconds: name -> lower bound of the step's time by one limit.
      compile_seconds: of lowering and compiling; None where nothing was compiled.
      items: what the batch has of `unit`.
      unit: in which throughput is counted.
    """

    parameters: int
    bytes: Bytes
    model_flops: int
    hardware_flops: int
    traffic: dict[str, Traffic] | None
    refused: bool
    seconds: dict[str, float]
    compile_seconds: float | None
    items: int
    unit: str

    def fits(self, topology: Topology) -> bool | None:
        """Whether a device's memory is enough; None where nobody knows its memory."""
        memory = topology.chip.memory
        if memory is None:
            return None
        return not self.refused and self.bytes.total <= memory

    @property
    def step_seconds(self) -> float | None:
        """The largest bound: everything else overlapped perfectly."""
        return max(self.seconds.values(), default=None)

    def utilization(self, topology: Topology) -> float | None:
        """The highest model FLOPs utilization (MFU) that the bounds leave."""
        if not self.step_seconds or not topology.chip.flops:
            return None
        peak = topology.chip.flops * topology.mesh.size
        return self.model_flops / peak / self.step_seconds

    @property
    def rate(self) -> float | None:
        """The most `unit` a second that the bounds leave."""
        return self.items / self.step_seconds if self.step_seconds else None


def describe(workload: Workload, topology: Topology, batch: int) -> Report:
    """Compiles the real step for the topology, if its compiler is here; runs nothing.

    Args:
      workload: the training.
      topology: the devices.
      batch: examples a step.
    """
    with target.compiling_for(topology.platform):
        state, layout = _state(workload, topology)
        step = make_step(workload.task, workload.optimizer, workload.batches)
        rows = workload.rows(batch)
        temporaries = sends = seconds = None
        if isinstance(topology.mesh, Mesh):
            started = time.monotonic()
            lowered = lower_step(step, topology.mesh, layout, state, rows, ((), {}))
            temporaries, text = _compile(lowered)
            seconds = time.monotonic() - started
            sends = None if text is None else traffic(text)
        held = _bytes(state, layout, rows, topology, temporaries)
        model, hardware = (
            _flops(workload, each, state, rows)
            for each in (workload.counted, workload.repeated)
        )
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    bounds = _bounds(topology, held, hardware, sends)
    return Report(
        parameters, held, model, hardware, sends, seconds is not None and sends is None,
        bounds, seconds, batch * workload.items, workload.unit,
    )  # fmt: skip


def _compile(lowered: jax.stages.Lowered) -> tuple[int, str | None]:
    """Bytes of temporaries, and the text of the program; None where it does not fit.

    The text is what the compiler itself writes to a file: jaxlib cannot read back all
    that libtpu compiles (a gather that a SparseCore does). A program that comes from
    JAX's cache was not compiled, and writes nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        dump = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True}
        try:
            compiled: Any = lowered.compile(dump)
        except jax.errors.JaxRuntimeError as error:
            needed = _TOO_MUCH.search(str(error))
            if needed is None:
                raise
            return round(float(needed[1]) * _UNITS[needed[2]]), None
        written = list(Path(folder).rglob("*after_optimizations.txt"))
        largest = max(written, key=lambda file: file.stat().st_size, default=None)
        text = largest.read_text() if largest else compiled.as_text()
        return compiled.memory_analysis().temp_size_in_bytes, text


def _state(workload: Workload, topology: Topology) -> tuple[State, State]:
    """Shapes and shardings of the state, which no kernel changes.

    Some kernels (cuDNN's) can be traced only where they run.
    """
    key, task = jax.random.key(0), workload.counted

    def make(key: Key) -> State:
        return initial_state(task, workload.optimizer, key)

    shapes = jax.eval_shape(make, key)
    layout = state_shardings(lambda: task.init(key), shapes, topology.mesh, "jit")
    return shapes, layout


def _flops(workload: Workload, task: Any, state: State, rows: Any) -> int:
    step = make_step(task, workload.optimizer, workload.batches)
    return flops.count(lambda s, r: step(s, r, ((), {}), None), state, rows)


def shard_bytes(shapes: Any, shardings: Any) -> int:
    """Bytes that one device holds of a tree.

    Args:
      shapes: of the whole arrays.
      shardings: a tree like it.
    """

    def size(leaf: Any, sharding: Any) -> int:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
            return math.prod(leaf.shape) * leaf.dtype.itemsize
        return math.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize

    return sum(jax.tree.leaves(jax.tree.map(size, shapes, shardings)))


def _bytes(
    state: State, layout: State, rows: Any, topology: Topology, temporaries: int | None
) -> Bytes:
    params = shard_bytes(state.params, layout.params)
    shards = topology.mesh.shape["data"] * topology.mesh.shape["fsdp"]
    batch = sum(
        math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize
        for leaf in jax.tree.leaves(rows)
    )
    optimizer = shard_bytes(state.opt_state, layout.opt_state)
    return Bytes(params, optimizer, params, batch // shards, temporaries)


def _bounds(
    topology: Topology, held: Bytes, hardware: int, sends: dict[str, Traffic] | None
) -> dict[str, float]:
    chip, bounds = topology.chip, {}
    if chip.flops:
        bounds["compute"] = hardware / topology.mesh.size / chip.flops
    if chip.memory_rate:  # parameters and moments are read and written at least once
        moved = 2 * (held.params + held.optimizer)
        bounds["memory"] = moved / chip.memory_rate
    if chip.link_rate and sends is not None:
        sent = sum(each.sent for each in sends.values())
        bounds["communication"] = sent / chip.link_rate
    return bounds
