"""What every launcher does around its experiment: flags, workdir, claims table.

A launcher has a frozen `Config` on top of `Common`, a `run(config) -> Results` that
tests and benchmarks call, and under `__main__` one call of `main`.
"""

import dataclasses
import hashlib
import json
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Literal, TypeVar

import jax
from absl import flags, logging

from experiments import border, data_record
from experiments.extension import is_extension
from experiments.plan import Plan, print_plans
from experiments.read_only import READ_ONLY, writable_twin
from experiments.report import print_results
from experiments.workdir import check_name, holds_something, lock, move_aside
from nnguide import code_folder
from nnguide.config import (
    InputError,
    cache_folder,
    define_flags,
    differences,
    digest,
    leaves,
    run_only,
    user_path,
)
from nnguide.parallel import ClusterConfig, anyone, join_cluster, writes
from nnguide.results import Claim, Results, write_whole

flags.disclaim_key_flags()  # so that --help lists the flags under the launcher


@dataclasses.dataclass(frozen=True)
class Figures:
    """How pictures look.

    Attributes:
      theme: dark is the look of the series, light prints well.
    """

    theme: Literal["light", "dark"] = "light"


@dataclasses.dataclass(frozen=True)
class Common:
    """What every launcher's config has.

    Attributes:
      workdir: where the run lives; None is runs/<launcher>/<digest of the config>.
      restart: move an earlier run in the workdir aside and start from nothing.
      dry: print config, parameters, FLOPs and bytes, and end.
      figures: how pictures look.
      cluster: the other processes of this run.
    """

    workdir: str | None = run_only(None)
    restart: bool = run_only(False)
    dry: bool = run_only(False)
    figures: Figures = run_only(Figures())
    cluster: ClusterConfig = run_only(ClusterConfig(), "ungrouped")


ConfigT = TypeVar("ConfigT", bound=Common)


def main(
    run: Callable[[ConfigT], Results],
    default: ConfigT,
    plans: Callable[[ConfigT], Mapping[str, Iterable[Plan]]],
) -> None:
    """Defines the flags, runs the experiment and prints its table; never returns.

    Args:
      run: the experiment.
      default: its config when no flag is given.
      plans: study -> its trainings, which `--dry` describes beside the config; the
        one study of a launcher without studies is "".
    """
    read_flags = define_flags(default)
    jax.config.config_with_absl()

    def body(_: Sequence[str]) -> None:
        keep_compiled_programs()
        config = read_flags()
        # Before JAX's own notice of it, which several processes agree by.
        signal.signal(signal.SIGTERM, _end)
        join_cluster(config.cluster)
        if config.dry:
            print_plans(config, plans(config))
            return
        results = run(config)
        if writes():
            print_results(results)

    border.start(body)


def _end(number: int, frame: FrameType | None) -> None:
    """Ends between two trainings; a training ends itself once it has saved."""
    del number, frame
    print("SIGTERM: the same command goes on from here", file=sys.stderr)
    sys.exit(0)


def keep_compiled_programs() -> None:
    """Turns the persistent compilation cache on, unless the user placed one."""
    if jax.config.values["jax_compilation_cache_dir"]:
        return
    cpu = Path("/proc/cpuinfo")
    flags_line = (
        next(
            (line for line in cpu.read_text().splitlines() if line.startswith("flags")),
            "",
        )
        if cpu.exists()
        else ""
    )
    # Programs compiled for one type of CPU must not reach another one.
    kind = hashlib.sha256((platform.machine() + flags_line).encode()).hexdigest()[:8]
    folder = cache_folder() / "compiled" / f"jax-{jax.__version__}-{kind}"
    try:
        folder = code_folder.make(folder)
    except InputError as error:
        logging.warning("each run compiles anew: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def workdir_of(experiment: str, config: Common) -> Path:
    """Where the run of this config lives, be it there or not.

    Args:
      experiment: the launcher's name.
      config: its config.
    """
    default = Path("runs") / experiment / digest(config)
    return user_path(config.workdir) if config.workdir else default


def open_workdir(
    experiment: str,
    config: Common,
    data: Mapping[str, str] | None = None,
    trains: bool = True,
) -> Path:
    """Makes or finds the run's folder and writes config.json and data.json into it.

    Args:
      experiment: the launcher's name.
      config: its config; `run_only` fields may differ from an earlier run's.
      data: what the run learns from or is judged by, name -> sha256.
      trains: whether a training follows, so that an earlier one may be extended.

    Returns:
      The folder; for a run on read-only storage, a folder in the cache that links to
      its checkpoints. The same command finds the same one.

    Raises:
      InputError: the folder holds a run of another config or other data, or something
        else, or cannot be written.
    """
    problem, workdir = "", workdir_of(experiment, config)
    if writes():  # the others would find what it has just written
        try:
            workdir = _open(workdir, config, data or {}, trains)
        except InputError as error:
            problem = str(error)
    problem = anyone(problem)
    if problem:
        raise InputError(problem)
    return workdir


def _open(workdir: Path, config: Common, data: Mapping[str, str], trains: bool) -> Path:
    """`open_workdir` in the process that writes."""
    check_name(workdir)
    record = workdir / "config.json"
    if config.restart and record.exists():
        lock(workdir)
        move_aside(workdir.resolve())
    if record.exists():
        _check_same_run(config, record, trains)
        data_record.check(workdir, data)
    elif holds_something(workdir):
        raise InputError(
            f"--workdir={workdir}: not empty and no run of ours (no config.json); "
            "name another folder."
        )
    try:
        workdir.resolve().mkdir(parents=True, exist_ok=True)  # a link may lead nowhere
        lock(workdir)
        write_whole(record, json.dumps(dict(leaves(config)), indent=1) + "\n")
        data_record.keep(workdir, data)
    except OSError as error:
        if error.errno in READ_ONLY and record.exists():
            twin = writable_twin(workdir)
            lock(twin)
            return twin
        raise InputError(
            f"--workdir={workdir}: cannot be written ({error.strerror}); name another."
        ) from None
    return workdir


def _check_same_run(config: Common, record: Path, trains: bool) -> None:
    try:
        saved = dict(json.loads(record.read_text()))
    except (TypeError, ValueError):
        raise InputError(
            f"{record}: not a run's config; start again with --restart."
        ) from None
    different = differences(config, saved)
    if different and not (trains and is_extension(config, different, record.parent)):
        pairs = ", ".join(
            f"--{name} {old} there, {new} asked"
            for name, (old, new) in different.items()
        )
        raise InputError(
            f"--workdir={record.parent}: made with another config ({pairs}); name "
            "another folder, or --restart."
        )


def finish(
    experiment: str,
    config: Common,
    workdir: Path,
    claims: Sequence[Claim],
    figures: Sequence[str],
    started: float,
) -> Results:
    """Writes results.json.

    Args:
      experiment: the launcher's name.
      config: of the run.
      workdir: of the run.
      claims: what was measured, in the guide's order.
      figures: the pictures, relative to the workdir.
      started: `time.monotonic()` when the run began.
    """
    results = Results(
        experiment,
        dict(leaves(config)),
        tuple(claims),
        tuple(figures),
        time.monotonic() - started,
        workdir,
    )
    results.save(workdir / "results.json")
    return results
