"""What a training would need, on devices that are not here: bytes, FLOPs, traffic.

`--model=gpt3_175b --topology=v5p:8x8x16 --parallel.mesh=fsdp:128,tensor:8 --batch=1024`
compiles the real training step of the real task for that pod and runs nothing. TPUs
need the extra dry_run (libtpu); for GPUs only shapes are computed; cpu:N compiles for N
virtual devices of this machine.
"""

import dataclasses
import json
import sys
from typing import Any

import jax

from experiments import border
from experiments.dry.models import MODELS, ModelName, Recomputed, Workload
from experiments.dry.report import Report, describe
from nnguide.config import InputError, define_flags, run_only
from nnguide.parallel import ParallelConfig, batch_shards
from nnguide.parallel.topologies import GIB, Topology, make_topology


@dataclasses.dataclass(frozen=True)
class Config:
    """What to look at.

    Attributes:
      model: which training.
      topology: the devices: v5p:8x8x16, v5e:4x4, h100:64, cpu:8.
      parallel: how they are arranged; the mode is jit.
      batch: examples a step; auto finds the largest that fits.
      remat: what is computed anew in the backward pass: nothing, everything but the
        products, or everything; auto is everything where blocks repeat.
      json: print one JSON object.
    """

    model: ModelName = "gpt2_124m"
    topology: str = "cpu:8"
    parallel: ParallelConfig = run_only(ParallelConfig(), "alone")
    batch: str = "8"
    remat: Recomputed = "auto"
    json: bool = False

    def __post_init__(self) -> None:
        if self.batch != "auto" and not (self.batch.isdigit() and int(self.batch)):
            raise InputError(f"--batch={self.batch}: give 1 or more, or auto.")
        if self.parallel.mode != "jit" or self.parallel.devices:
            raise InputError(
                "--parallel.mode and --parallel.devices: a dry run takes the whole "
                "topology by jit; give --topology and --parallel.mesh alone."
            )


def run(config: Config) -> tuple[Topology, int, Report]:
    """Describes the step; with --batch=auto that of the largest batch that fits."""
    topology = make_topology(config.topology, config.parallel.mesh)
    workload = MODELS[config.model](config.remat)
    if config.batch == "auto":
        batch, report = _largest(workload, topology)
        return topology, batch, report
    batch = int(config.batch)
    shards = batch_shards(topology.mesh)
    if batch % shards:
        raise InputError(
            f"--batch={batch}: does not divide over {shards} devices along data and "
            f"fsdp; give a multiple of {shards}."
        )
    return topology, batch, describe(workload, topology, batch)


def _largest(workload: Workload, topology: Topology) -> tuple[int, Report]:
    """The largest batch that fits, by as few compilations as may be.

    One more example a shard does not fit, nor do two more. A still larger batch may,
    for the compiler chooses other layouts for other sizes (libtpu needs half as much
    again for GPT-2 where a chip has a multiple of 8).
    """
    memory = topology.chip.memory
    if memory is None or not topology.compiles:
        raise InputError(
            "--batch=auto: needs a TPU topology, whose memory is known and whose "
            "compiler is here; give a number."
        )
    shards = batch_shards(topology.mesh)
    fitting: dict[int, Report] = {}  # by examples a shard
    refused: set[int] = set()
    trial: int | None = 1
    while trial:
        print(f"a batch of {trial * shards:,}: ", end="", file=sys.stderr, flush=True)
        report = describe(workload, topology, trial * shards)
        fits = report.fits(topology)
        if fits:
            fitting[trial] = report
        else:
            refused.add(trial)
        needed = f"{report.bytes.total / GIB:.2f} of {memory / GIB:.0f} GiB"
        verdict = "fits" if fits else "does not fit"
        print(f"{needed}, {verdict} ({report.compile_seconds:.0f} s)", file=sys.stderr)
        known = {size: report.bytes.total for size, report in fitting.items()}
        trial = _next_trial(known, refused, memory, bool(fits))
    if not fitting:
        raise InputError(
            f"--batch=auto: not even {shards} examples fit; split the parameters over "
            "more devices (--parallel.mesh), or compute more anew (--remat)."
        )
    most = max(fitting)
    return most * shards, fitting[most]


def _next_trial(
    fitting: dict[int, int], refused: set[int], memory: int, last_fits: bool
) -> int | None:
    """Where to look next; None where nothing is left.

    Bytes grow about linearly, so after a success the line through the last two
    (examples, bytes) that fit tells where the memory ends, at most 16 times as far. It
    rises at least half as steeply as from the first to the last: where the last but one
    has a dear layout, the line is almost flat. After a refusal, which costs seconds and
    leaves that line as it was, the middle.
    """
    fits = max(fitting, default=0)
    too_many = min((size for size in refused if size > fits), default=None)
    if too_many is not None and too_many == fits + 1:
        beyond = too_many + 1
        return beyond if fits and beyond not in refused else None
    if too_many is not None and not last_fits:
        return (fits + too_many) // 2
    most = 16 * fits if too_many is None else too_many - 1
    if len(fitting) == 1:
        return min(2, most)

    def slope(size: int) -> float:
        return (fitting[fits] - fitting[size]) / (fits - size)

    *smaller, _ = fitting
    rise = max(slope(smaller[-1]), slope(smaller[0]) / 2)
    guess = fits + int((memory - fitting[fits]) // rise) if rise > 0 else most
    return max(fits + 1, min(guess, most))


def to_json(
    config: Config, topology: Topology, batch: int, report: Report
) -> dict[str, Any]:
    """The report as plain numbers; bytes are one device's, FLOPs a whole step's."""
    return {
        "model": config.model,
        "topology": config.topology,
        "mesh": dict(topology.mesh.shape),
        "devices": topology.mesh.size,
        "batch": batch,
        "parameters": report.parameters,
        "bytes": {**report.bytes._asdict(), "total": report.bytes.total},
        "memory": topology.chip.memory,
        "fits": report.fits(topology),
        "model_flops": report.model_flops,
        "hardware_flops": report.hardware_flops,
        "traffic": report.traffic
        and {kind: each._asdict() for kind, each in report.traffic.items()},
        "bounds_seconds": report.seconds,
        "step_seconds": report.step_seconds,
        "utilization_ceiling": report.utilization(topology),
        "unit": report.unit,
        "highest_rate": report.rate,
        "compile_seconds": report.compile_seconds,
    }


def described(found: dict[str, Any]) -> list[str]:
    """The lines that tell a person what `to_json` found."""
    mesh = ",".join(f"{name}:{size}" for name, size in found["mesh"].items())
    return [
        f"{found['model']} on {found['topology']} ({found['devices']:,} devices, "
        f"{mesh}), batch {found['batch']:,}",
        f"parameters              {found['parameters']:>24,}",
        f"FLOPs a step            {found['model_flops']:>24,}",
        f"  with recomputation    {found['hardware_flops']:>24,}",
        *_memory_lines(found),
        *_time_lines(found),
    ]


def _memory_lines(found: dict[str, Any]) -> list[str]:
    lines = ["bytes on one device"]
    for name, size in found["bytes"].items():
        shown = "not known here" if size is None else f"{size / GIB:.3f} GiB"
        lines.append(f"  {name:22}{shown:>24}")
    if found["memory"]:
        spare = (found["memory"] - found["bytes"]["total"]) / GIB
        verdict = f"fits, {spare:.1f} GiB to spare"
        if not found["fits"]:
            verdict = f"DOES NOT FIT, {max(-spare, 0):.1f} GiB too many"
        lines.append(f"  {'its memory':22}{found['memory'] / GIB:>20.1f} GiB {verdict}")
    return lines


def _time_lines(found: dict[str, Any]) -> list[str]:
    lines = []
    if found["traffic"] is None:
        lines.append("communication           not known, for nothing was compiled")
    for kind, each in (found["traffic"] or {}).items():
        sent = f"{each['sent'] / GIB:.3f} GiB sent by each device"
        lines.append(f"  {kind:22}{each['times']:>10,} times, {sent}")
    for name, seconds in found["bounds_seconds"].items():
        lines.append(f"bound by {name:15}{seconds:>22.4f} s")
    if found["utilization_ceiling"]:
        lines.append(f"highest MFU             {found['utilization_ceiling']:>24.1%}")
    if found["highest_rate"]:
        most = f"{found['highest_rate']:,.0f} {found['unit']} a second"
        lines.append(f"at most                 {most:>24}")
    if found["compile_seconds"]:
        lines.append(f"compiled in             {found['compile_seconds']:>22.1f} s")
    return lines


def main(config: Config) -> None:
    """Prints the report."""
    if config.topology.startswith("cpu:") and config.topology[4:].isdigit():
        jax.config.update("jax_num_cpu_devices", int(config.topology[4:]))
    jax.config.update("jax_platforms", "cpu")  # the host's; nothing runs elsewhere
    found = to_json(config, *run(config))
    print(json.dumps(found) if config.json else "\n".join(described(found)))


if __name__ == "__main__":
    read_flags = define_flags(Config())

    border.start(lambda _: main(read_flags()))
