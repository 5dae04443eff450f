"""The code that all launchers share: flags, workdir, table of claims.

A launcher defines a frozen `Config` that extends `Common`, a `run(config) -> Results`
that tests and benchmarks call, and calls `main` under `__main__`.
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
    """Appearance of the pictures.

    Attributes:
      theme: dark looks like the videos, light suits print.
    """

    theme: Literal["light", "dark"] = "light"


@dataclasses.dataclass(frozen=True)
class Common:
    """The config fields that all launchers share.

    Attributes:
      workdir: the run's folder; None is runs/<launcher>/<digest of the config>.
      restart: move an earlier run in the workdir aside and start from scratch.
      dry: print config, parameters, FLOPs and bytes, and exit without training.
      figures: appearance of the pictures.
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
      plans: returns study -> its trainings, which `--dry` describes after the config.
        A launcher without studies uses "" as the name of its only one.
    """
    read_flags = define_flags(default)
    jax.config.config_with_absl()

    def body(_: Sequence[str]) -> None:
        keep_compiled_programs()
        config = read_flags()
        # Set before join_cluster: with several processes JAX installs its own handler.
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
    """Exits on a SIGTERM between two trainings; a training saves first, then exits."""
    del number, frame
    print("SIGTERM: the same command resumes from here", file=sys.stderr)
    sys.exit(0)


def keep_compiled_programs() -> None:
    """Enables JAX's persistent compilation cache, unless the user has set one."""
    if jax.config.values["jax_compilation_cache_dir"]:
        return
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    flags_line = next((line for line in lines if line.startswith("flags")), "")
    # A program compiled for one type of CPU must not run on another.
    kind = hashlib.sha256((platform.machine() + flags_line).encode()).hexdigest()[:8]
    folder = cache_folder() / "compiled" / f"jax-{jax.__version__}-{kind}"
    try:
        folder = code_folder.make(folder)
    except InputError as error:
        logging.warning("no compilation cache, each run compiles anew: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def workdir_of(experiment: str, config: Common) -> Path:
    """The workdir of the run with this config, whether or not it exists yet.

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
    """Creates or reopens the run's folder and writes config.json and data.json into it.

    Args:
      experiment: the launcher's name.
      config: its config; `run_only` fields may differ from an earlier run's.
      data: the data that the run trains on or evaluates with, name -> sha256.
      trains: whether a training follows; the number of steps may then be larger than
        an earlier run's.

    Returns:
      The folder. For a run on read-only storage, its copy in the cache
      (`writable_twin`); the same command finds the same copy.

    Raises:
      InputError: the folder holds a run with another config or other data, or holds
        something else, or cannot be written.
    """
    problem, workdir = "", workdir_of(experiment, config)
    if writes():  # in other processes, config.json could appear during the checks
        try:
            workdir = _open(workdir, config, data or {}, trains)
        except InputError as error:
            problem = str(error)
    problem = anyone(problem)
    if problem:
        raise InputError(problem)
    return workdir


def _open(workdir: Path, config: Common, data: Mapping[str, str], trains: bool) -> Path:
    """`open_workdir` for the one process that writes files."""
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
        workdir.resolve().mkdir(parents=True, exist_ok=True)  # resolve: dangling links
        lock(workdir)
        write_whole(record, json.dumps(dict(leaves(config)), indent=1) + "\n")
        data_record.keep(workdir, data)
    except OSError as error:
        if error.errno in READ_ONLY and record.exists():
            return writable_twin(workdir)
        raise InputError(
            f"--workdir={workdir}: cannot be written ({error.strerror}); name another "
            "folder."
        ) from None
    return workdir


def _check_same_run(config: Common, record: Path, trains: bool) -> None:
    """Checks that config.json matches the config, or that the run may be extended."""
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
    """Writes results.json and returns its content.

    Args:
      experiment: the launcher's name.
      config: the run's config.
      workdir: the run's folder.
      claims: the measured claims, in the guide's order.
      figures: paths of the pictures, relative to the workdir.
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
