"""What an experiment measured: claims with verdicts, and results.json.

Two questions are kept apart, both computed. The *verdict* is about the guide: does the
measured value lie where the guide says it lies? `as_expected` is about us: does it lie
where a correct implementation lands, by a paper, a closed form or arithmetic?
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

Number = int | float  # counts are whole; beartype takes no int for a float
Band = tuple[Number | None, Number | None]  # None: open on that side; ends belong to it
Verdict = Literal["holds", "caveat", "false"]

_SOURCES = ("nnguide", "experiments", ":(exclude,glob)**/__pycache__/**")
# They point git to another repository; its own hooks run programs with them set.
_ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"}


def lies_in(value: Number, band: Band) -> bool:
    """Whether a value lies in a closed band; NaN lies in none."""
    low, high = band
    above = value >= (-math.inf if low is None else low)
    return bool(above and value <= (math.inf if high is None else high))


@dataclasses.dataclass(frozen=True)
class Caveat:
    """Where a claim is true only in part.

    Attributes:
      band: measured values for which the caveat is the verdict.
      says: the condition under which the claim holds, one sentence.
    """

    band: Band
    says: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """One sentence of the guide and the number that speaks for or against it.

    Attributes:
      id: part and name, for instance "1.parameter_count".
      statement: the guide's claim, one sentence.
      measured: the number measured in this run.
      stated: the band in which the claim holds.
      expected: the band where a correct implementation lands.
      source: where `stated` and `expected` come from.
      unit: of the three numbers; "" for a pure number.
      caveat: the band, if any, where the claim holds in part.
      needs: what a run must have to be scored, said for people; "" if nothing.
      scored: whether this run has it.
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
        """The verdict on the guide's sentence."""
        if lies_in(self.measured, self.stated):
            return "holds"
        if self.caveat and lies_in(self.measured, self.caveat.band):
            return "caveat"
        return "false"

    @property
    def as_expected(self) -> bool | None:
        """Whether we measured what we should; None where the run is too small."""
        return lies_in(self.measured, self.expected) if self.scored else None

    def to_json(self) -> dict[str, Any]:
        """The claim as results.json holds it, verdicts computed."""
        fields = dataclasses.asdict(self)
        # JSON has no NaN and no infinity; readers other than Python stumble over them.
        fields["measured"] = float(self.measured) if isfinite(self.measured) else None
        return {**fields, "verdict": self.verdict, "as_expected": self.as_expected}


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything an experiment reports.

    Attributes:
      experiment: the launcher's name.
      config: flag name -> value.
      claims: what was measured, in the guide's order.
      figures: file names of the pictures, relative to the workdir.
      wall_seconds: duration of this run.
      workdir: where results.json and the pictures are.
      kept: what results.json holds of earlier runs beside that, a line each.
    """

    experiment: str
    config: dict[str, Any]
    claims: tuple[Claim, ...]
    figures: tuple[str, ...]
    wall_seconds: float
    workdir: Path
    kept: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What results.json holds of this run."""
        return {
            "experiment": self.experiment,
            "config": self.config,
            "environment": environment(),
            "claims": [claim.to_json() for claim in self.claims],
            "figures": list(self.figures),
            "wall_seconds": round(self.wall_seconds, 3),
        }

    def save(self, path: Path) -> None:
        """Writes results.json whole or not at all."""
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n")


def environment() -> dict[str, Any]:
    """The stack and the machine a result was measured on."""
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
    """The commit of this code, "-dirty" appended where its files are modified.

    None where no repository tracks them (an installation below somebody else's
    project has that project's repository around it), and where git cannot say.
    """
    if _git("ls-files", "--error-unmatch", "--", "nnguide/results.py") is None:
        return None
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", *_SOURCES)
    if commit is None or changed is None:
        return None
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str | None:
    """What git prints, run beside our packages; None where it fails.

    It fails without git, outside of repositories and in those of another user. It may
    neither ask nor wait, and writes nothing.
    """
    surroundings = {k: v for k, v in os.environ.items() if k not in _ELSEWHERE}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=Path(__file__).resolve().parents[1],
            env={**surroundings, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # without a terminal
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file so that a kill at any moment leaves the old one or the new one.

    Of several processes that run one program, the first one writes.
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
