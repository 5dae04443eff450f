"""Compares finished or unfinished runs: `python -m experiments.compare RUN...`.

One column a run, headed by its folder; rows are the flags in which the runs differ,
what their claims measured with both verdicts, and the last value of each metric.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import border, tables
from experiments.launcher import Common
from experiments.report import SIGNS
from experiments.studies import other_flags
from experiments.tables import Cell
from nnguide.config import InputError, leaves, user_path
from nnguide.training.metrics import read_rows

ABSENT = "-"
_NAME_WIDTH, _RUN_WIDTH = 34, 36  # characters of the first and of every other column

_OF_A_CLAIM = ("measured", "unit", "verdict", "as_expected")


class Run(NamedTuple):
    """What a workdir tells.

    Attributes:
      name: the folder as it was given.
      flags: flag name -> value, without those of every launcher that change nothing
        that is learned (workdir, theme).
      claims: claim id -> the claim as results.json has it; {} before the end. One of a
        study that was measured with other flags than config.json's names them under
        "with".
      metrics: metric name -> last value; one below a sub-folder leads with its name.
    """

    name: str
    flags: dict[str, Any]
    claims: dict[str, dict[str, Any]]
    metrics: dict[str, Any]


def read_run(folder: Path) -> Run:
    """Reads a workdir.

    Raises:
      InputError: the folder is missing, no workdir, or holds a damaged file.
    """
    if not (folder / "config.json").is_file():
        what = "no run (no config.json)" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {what}. Give the workdir of a launcher.")
    common = {name for name, _ in leaves(Common())}
    flags = _read_json(folder / "config.json")
    results = folder / "results.json"
    claims = _read_claims(results, flags) if results.exists() else {}
    metrics: dict[str, Any] = {}
    for path in sorted(folder.rglob("metrics.jsonl")):
        fit = path.parent.relative_to(folder).as_posix()
        prefix = "" if fit == "." else fit + "/"
        for row in read_rows(path, last_step=sys.maxsize):
            metrics |= {prefix + name: value for name, value in row.items()}
    return Run(
        str(folder),
        {name: value for name, value in flags.items() if name not in common},
        claims,
        metrics,
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}). Run it again.") from None


def _read_claims(path: Path, flags: dict[str, Any]) -> dict[str, dict[str, Any]]:
    content = _read_json(path)
    try:
        studies = content.get("studies", {})
        given = {
            name: ", ".join(
                f"--{flag}={value}" for flag, value in other_flags(each, flags).items()
            )
            for name, each in studies.items()
        }
        return {
            str(claim["id"]): {
                **{name: claim[name] for name in _OF_A_CLAIM},
                "with": given.get(claim.get("study"), ""),
            }
            for claim in content["claims"]
        }
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{path}: not a launcher's results. Run it again.") from None


def rows(runs: Sequence[Run]) -> Iterator[tuple[str, list[str]]]:
    """Yields (name, one cell a run) of differing flags, then claims, then metrics."""
    for name in _names(run.flags for run in runs):
        values = [run.flags.get(name, ABSENT) for run in runs]
        if any(value != values[0] for value in values):
            yield f"--{name}", [str(value) for value in values]
    for name in _names(run.claims for run in runs):
        yield name, [_claim(run.claims.get(name)) for run in runs]
    for name in _names(run.metrics for run in runs):
        yield name, [_metric(run.metrics.get(name)) for run in runs]


def _names(mappings: Iterator[dict[str, Any]]) -> list[str]:
    """Every key once, in the order in which they come."""
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _claim(claim: dict[str, Any] | None) -> str:
    if claim is None:
        return ABSENT
    unit = f" {claim['unit']}" if claim["unit"] else ""
    measured = f"{_number(claim['measured'])}{unit}"
    told = f"{measured}, {claim['verdict']}, {SIGNS[claim['as_expected']]}"
    return f"{told} ({claim['with']})" if claim["with"] else told


def _metric(value: Any) -> str:
    if isinstance(value, list):  # one entry a seed
        spread = f" ± {statistics.stdev(value):.2g}" if len(value) > 1 else ""
        return f"{_number(statistics.fmean(value))}{spread}, n={len(value)}"
    return ABSENT if value is None else _number(value)


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:,.5g}"


def print_table(runs: Sequence[Run]) -> None:
    """Prints the runs side by side, as many at a time as the terminal is wide for.

    On a narrow one each claim is a block, with a line a run.
    """
    width = tables.width(plain=10_000)
    at_once = (width - _NAME_WIDTH) // _RUN_WIDTH
    if width < tables.NARROW or not at_once:
        at_once = len(runs)
    table_rows = list(rows(runs))
    for first in range(0, len(runs), at_once):
        chosen = slice(first, first + at_once)
        tables.print_table(
            ("", *(run.name for run in runs[chosen])),
            [
                (name, *(Cell(cell, _colour(cell)) for cell in cells[chosen]))
                for name, cells in table_rows
            ],
            columns=width,
        )


def _colour(cell: str) -> str:
    return "bold red" if SIGNS[False] in cell else ""


def main(arguments: Sequence[str]) -> None:
    """Prints the comparison of the folders named on the command line."""
    if not arguments:
        raise InputError("no run given. Name one workdir or more.")
    print_table([read_run(user_path(folder)) for folder in arguments])


if __name__ == "__main__":
    border.start(main, takes_arguments=True)
