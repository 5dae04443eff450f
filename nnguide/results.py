"""Claims with their verdicts, and results.json.

A claim has two bands and two computed answers. `verdict` judges the guide: does the
measured value lie in the band that the guide states? `as_expected` judges this
implementation: does the value lie in the band of a correct implementation, which comes
from a paper, a closed form or arithmetic?
"""

import dataclasses
import json
import math
import os
import platform
import subprocess
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import nnguide

Number = int | float  # beartype does not accept an int for a float
Band = tuple[Number | None, Number | None]  # closed interval; None: unbounded
Verdict = Literal["holds", "caveat", "false"]

_SOURCES = ("nnguide", "experiments", ":(exclude,glob)**/__pycache__/**")
# Variables that redirect git to another repository; git sets them for its hooks.
_GIT_VARIABLES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"}


def lies_in(value: Number, band: Band) -> bool:
    """Whether a value lies in a band; NaN lies in no band."""
    low, high = band
    above_low = value >= (-math.inf if low is None else low)
    return bool(above_low and value <= (math.inf if high is None else high))


@dataclasses.dataclass(frozen=True)
class Caveat:
    """A restriction under which a claim is true.

    Attributes:
      band: measured values for which the verdict is "caveat".
      says: the condition under which the claim holds, one sentence.
    """

    band: Band
    says: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """One statement of the guide and the number measured to check it.

    Attributes:
      id: part and name, for instance "1.parameter_count".
      statement: the guide's claim, one sentence.
      measured: the number measured in this run.
      stated: the band in which the claim holds.
      expected: the band of a correct implementation's values.
      source: where `stated` and `expected` come from.
      unit: the unit of the three numbers; "" for a pure number.
      caveat: the restriction and its band, if the claim is true only in part.
      needs: what `expected` requires of a run, in words; "" if nothing.
      scored: whether this run meets `needs`.
    """

    id: str
    statement: str
    measured: Number
    stated: Band
    expected: Band
    source: str
    unit: str = ""
    caveat: Caveat | None = None
    needs: str = ""
    scored: bool = True

    @property
    def verdict(self) -> Verdict:
        """The verdict on the guide's statement."""
        if lies_in(self.measured, self.stated):
            return "holds"
        if self.caveat and lies_in(self.measured, self.caveat.band):
            return "caveat"
        return "false"

    @property
    def as_expected(self) -> bool | None:
        """Whether the value lies in `expected`; None if the run is not scored."""
        return lies_in(self.measured, self.expected) if self.scored else None

    def to_json(self) -> dict[str, Any]:
        """The claim's entry in results.json, with both computed answers."""
        fields = dataclasses.asdict(self)
        # JSON has no NaN and no infinity; parsers other than Python's reject them.
        fields["measured"] = float(self.measured) if isfinite(self.measured) else None
        return {**fields, "verdict": self.verdict, "as_expected": self.as_expected}


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything an experiment reports.

    Attributes:
      experiment: the launcher's name.
      config: flag name -> value.
      claims: the measured claims, in the guide's order.
      figures: file names of the pictures, relative to the workdir.
      wall_seconds: duration of this run.
      workdir: the folder of results.json and the pictures.
      kept: one line for each study of earlier runs that results.json still holds.
    """

    experiment: str
    config: dict[str, Any]
    claims: tuple[Claim, ...]
    figures: tuple[str, ...]
    wall_seconds: float
    workdir: Path
    kept: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The content of results.json for this run."""
        return {
            "experiment": self.experiment,
            "config": self.config,
            "environment": environment(),
            "claims": [claim.to_json() for claim in self.claims],
            "figures": list(self.figures),
            "wall_seconds": round(self.wall_seconds, 3),
        }

    def save(self, path: Path) -> None:
        """Writes results.json atomically."""
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n")


def environment() -> dict[str, Any]:
    """The software versions, the device and the commit of a measurement."""
    import jax

    return {
        "jax": jax.__version__,
        "python": platform.python_version(),
        "platform": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "device_count": jax.device_count(),
        "process_count": jax.process_count(),
        "version": nnguide.__version__,
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of this code, with "-dirty" appended if its files are modified.

    Returns:
      None if git fails, or if no repository tracks the files: an installed package may
      lie inside the repository of another project.
    """
    if _git("ls-files", "--error-unmatch", "--", "nnguide/results.py") is None:
        return None
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", *_SOURCES)
    if commit is None or changed is None:
        return None
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str | None:
    """The output of a git command run in this code's folder; None if it fails.

    It fails if git is missing, outside of repositories, and in another user's. The
    command cannot prompt, is ended after 10 seconds and takes no locks.
    """
    variables = {k: v for k, v in os.environ.items() if k not in _GIT_VARIABLES}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=Path(__file__).resolve().parents[1],
            env={**variables, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # detaches it from the terminal
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file atomically: a kill leaves either the old or the new content.

    In a run with several processes, only process 0 writes.

    Args:
      path: the file; its folder must exist.
      content: the new content.
    """
    import jax

    if jax.process_index() != 0:
        return
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
