"""Asynchronous checkpoints by Orbax, verified by digests.

Orbax renames a finished folder into place, so a kill leaves only complete steps, but it
does not detect changed bytes. Each step therefore stores a digest of each array. A step
that fails the check is moved to `damaged_checkpoints`, and the newest good one is used.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
import re
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from nnguide.config import InputError
from nnguide.parallel import anyone, gathered, together, writes
from nnguide.plain_path import PlainPath
from nnguide.training.metrics import Row
from nnguide.training.step import State


@dataclasses.dataclass(frozen=True)
class Retention:
    """Which checkpoints are kept.

    Attributes:
      latest: how many of the newest are kept.
      best: the metric whose best step is kept, for instance "test/accuracy"; "" is
        none.
      best_mode: whether the best value is the largest or the smallest.
      steps: step numbers that are always kept.
    """

    latest: int = 2
    best: str = ""
    best_mode: Literal["max", "min"] = "max"
    steps: tuple[int, ...] = ()


class Checkpoints:
    """The checkpoints of one workdir.

    Args:
      workdir: the folder of `checkpoints/`, which the first save creates.
      retention: which checkpoints are kept.

    Attributes:
      last_good: the step that this object saved or restored last; None before.
    """

    def __init__(self, workdir: Path, retention: Retention) -> None:
        self._workdir, self._retention = workdir.absolute(), retention
        self._folder = self._workdir / "checkpoints"
        self._aside = self._workdir / "damaged_checkpoints"
        self.last_good: int | None = None

    def exist(self) -> bool:
        """Whether the workdir holds checkpoints, damaged ones included."""
        return bool(self.steps()) or self._aside.is_dir()

    def steps(self) -> list[int]:
        """The saved steps, in ascending order."""
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(int(path.name) for path in paths if path.name.isdigit())

    @functools.cached_property
    def _manager(self) -> Any:
        # Created lazily: importing Orbax would delay the first step by seconds.
        import orbax.checkpoint as ocp
        from orbax.checkpoint import checkpoint_managers as policies

        self._workdir.mkdir(parents=True, exist_ok=True)
        self._plain = PlainPath(self._workdir)
        retention, name = self._retention, self._retention.best
        preserved: list[Any] = [
            policies.LatestN(retention.latest),
            policies.CustomSteps(retention.steps),
        ]
        best: dict[str, Any] = {}
        if name:
            preserved.append(
                policies.BestN(
                    get_metric_fn=lambda metrics: metrics[name],
                    reverse=retention.best_mode == "min",
                    n=1,
                )
            )
            best = {"best_fn": lambda m: m[name], "best_mode": retention.best_mode}
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policies.AnyPreservationPolicy(preserved),
            cleanup_tmp_directories=True,
            **best,
        )
        folder = self._plain.path / self._folder.name
        return ocp.CheckpointManager(folder, options=options)

    def save(self, step: int, state: State, row: Row | None) -> None:
        """Starts to save a step; returns once the state may be donated.

        Args:
          step: the number of steps taken.
          state: the state on the devices.
          row: the metrics at that step, which must hold `Retention.best`. None if they
            were not computed, for instance at an interruption; the step then has the
            worst possible value.

        Raises:
          InputError: `row` lacks `Retention.best`, or saving this or an earlier step
            failed.
        """
        import orbax.checkpoint as ocp

        name = self._retention.best
        if row is None:
            row = {name: math.inf if self._retention.best_mode == "min" else -math.inf}
        if name and name not in row:
            raise InputError(
                f"train.best={name}: step {step} has no such metric, only "
                f"{', '.join(row)}; name one of those that every save computes."
            )
        metrics = {name: float(np.mean(row[name]))} if name else None
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            digest=ocp.args.JsonSave(_sealed(_digests(state))),
        )
        try:
            # Orbax raises the error of a background save at its next call.
            self._manager.save(step, args=args, metrics=metrics, force=True)
        except (OSError, ValueError) as error:
            raise self._no_room(step, error) from None
        self.last_good = step

    def _no_room(self, step: int | None, error: Exception) -> InputError:
        """The InputError that reports a failed save."""
        what = "a step" if step is None else f"step {step}"
        return InputError(
            f"{self._folder}: {what} cannot be saved ({_reason(error)}); free some"
            f" space or name another --workdir. Saved steps: {self.steps() or 'none'}."
        )

    def restore(self, like: State) -> tuple[int, State] | None:
        """Restores the newest good step; moves damaged ones aside.

        Args:
          like: shapes, dtypes and shardings of the state.

        Returns:
          (step, state), or None if no checkpoint was ever saved.

        Raises:
          InputError: a checkpoint has arrays of other shapes, or all are damaged.
        """
        for step in self.steps():
            problem = anyone(_unreadable(self._folder / str(step)))
            if problem:
                self._move_aside(step, problem)
        for step in reversed(self.steps()):
            state, problem = self._read(step, like)
            problem = anyone(problem)
            if state is not None and not problem:
                self.last_good = step
                return step, state
            self._move_aside(step, problem)
        if not self._aside.is_dir():
            return None
        raise InputError(
            f"{self._folder}: every checkpoint is damaged (moved to {self._aside}); "
            "start again with --restart."
        )

    def _read(self, step: int, like: State) -> tuple[State | None, str]:
        """(state, ""), or (None, a description of the damage)."""
        import orbax.checkpoint as ocp

        composite, json_restore = ocp.args.Composite, ocp.args.JsonRestore()
        try:
            record = self._manager.restore(step, args=composite(digest=json_restore))
            digests = _opened(record["digest"])
        except MemoryError:
            raise
        except Exception as error:  # Orbax and TensorStore raise bare Exceptions
            return None, f"its digest cannot be read ({_first_line(error)})"
        self._check_shapes(step, digests, like)
        try:
            restore = ocp.args.StandardRestore(like)
            state = self._manager.restore(step, args=composite(state=restore))["state"]
        except MemoryError:
            raise
        except Exception as error:
            return None, f"its arrays cannot be read ({_first_line(error)})"
        found = _digests(state)
        wrong = [name for name in digests if digests[name] != found[name]]
        if wrong:
            return None, f"the digest of {', '.join(wrong)} differs"
        return state, ""

    def _check_shapes(self, step: int, digests: dict[str, Any], like: State) -> None:
        expected = {name: _shape(leaf) for name, leaf in _named_leaves(like)}
        saved = {name: digest["shape"] for name, digest in digests.items()}
        for name in sorted({*expected, *saved}):
            if expected.get(name) != saved.get(name):
                raise InputError(
                    f"{self._folder}/{step}: {name} is {saved.get(name)} there and "
                    f"{expected.get(name)} in this run; use another --workdir, or "
                    "--restart."
                )

    def _move_aside(self, step: int, problem: str) -> None:
        names = (self._aside / f"{step}-{number}" for number in itertools.count(1))
        target = next(path for path in names if not path.exists())
        self._forget_manager()
        together(f"checkpoint {step} is damaged")
        if writes():
            self._aside.mkdir(exist_ok=True)
            (self._folder / str(step)).rename(target)
        together(f"checkpoint {step} is moved")
        logging.warning(
            "checkpoint %d is damaged: %s; moved to %s, using the previous one",
            step,
            problem,
            target,
        )

    def close(self) -> None:
        """Waits until all checkpoints are on the disk."""
        self._forget_manager()

    def _forget_manager(self) -> None:
        if "_manager" in self.__dict__:
            manager = self._manager
            del self._manager
            try:
                manager.wait_until_finished()
            except (OSError, ValueError) as error:
                raise self._no_room(self.last_good, error) from None
            finally:
                manager.close()
                self._plain.close()


def _unreadable(step_folder: Path) -> str:
    """Describes damage in the JSON files that Orbax reads at opening; "" if none."""
    for name in ("metrics/metrics", "_CHECKPOINT_METADATA"):
        path = step_folder / name
        try:
            if path.exists():
                json.loads(path.read_bytes())
        except ValueError:
            return f"{name} is no JSON"
    return ""


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """(path, leaf) of each leaf, the path joined by slashes."""
    flat = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [
        (jax.tree_util.keystr(path, simple=True, separator="/"), leaf)
        for path, leaf in flat
    ]


def _shape(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _digests(tree: Any) -> dict[str, dict[str, str]]:
    """Name -> dtype and shape, and BLAKE2 digest of the bytes, of each array."""
    digests = {}
    for name, leaf in _named_leaves(tree):
        shape = _shape(leaf)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        data = np.ascontiguousarray(gathered(leaf))
        digest = hashlib.blake2b(data.tobytes(), digest_size=16).hexdigest()
        digests[name] = {"shape": shape, "blake2b": digest}
    return digests


def _sealed(digests: dict[str, Any]) -> dict[str, Any]:
    """Adds a digest of the digests, so that damage to them is detected too."""
    text = json.dumps(digests, sort_keys=True)
    return {"arrays": digests, "blake2b": hashlib.blake2b(text.encode()).hexdigest()}


def _opened(record: dict[str, Any]) -> dict[str, Any]:
    """Checks a record of `_sealed` and returns the arrays' digests."""
    if _sealed(record["arrays"]) != record:
        raise ValueError("it does not match its own digest")
    return record["arrays"]


def _reason(error: Exception) -> str:
    """The system's error message, which TensorStore wraps in a trace of its own."""
    match = re.search(r": ([^:]+) \[os_error_code", str(error))
    return match[1] if match else _first_line(error)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
