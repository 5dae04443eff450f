"""Runs a launcher's studies and merges their results into results.json.

results.json holds one section per study that ever ran in the workdir, in the guide's
order: its claims, and under "studies" its config, environment, duration and pictures.
Running a study again replaces its own section only. The file is written after each
study, so that an interrupted run keeps the finished ones.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from experiments.launcher import Common
from experiments.plan import Plan
from nnguide.config import leaves
from nnguide.parallel import writes
from nnguide.results import Claim, Results, write_whole

Measured = tuple[list[Claim], list[str]]
SettingT = TypeVar("SettingT")


class StudyRun(NamedTuple, Generic[SettingT]):
    """One study of a launcher.

    Attributes:
      run: setting -> measured claims, and pictures relative to the workdir.
      plans: setting -> the study's trainings; none by default.
    """

    run: Callable[[SettingT], Measured]
    plans: Callable[[SettingT], Iterable[Plan]] = lambda setting: ()


class Section(NamedTuple):
    """The part of results.json that belongs to one study.

    Attributes:
      claims: the `Claim.to_json` dicts, each with the study's name added.
      record: the study's figures, config, environment and wall seconds.
    """

    claims: list[dict[str, Any]]
    record: dict[str, Any]


def chosen(name: str, studies: Mapping[str, Any]) -> list[str]:
    """The names of the studies that `--study=name` selects."""
    return [each for each in studies if name in ("all", each)]


def plans_of(
    name: str, studies: Mapping[str, StudyRun[SettingT]], setting: SettingT
) -> dict[str, Iterable[Plan]]:
    """The trainings of the selected studies, for `--dry`."""
    return {each: studies[each].plans(setting) for each in chosen(name, studies)}


def run_studies(
    experiment: str,
    config: Common,
    name: str,
    studies: Mapping[str, StudyRun[SettingT]],
    setting: SettingT,
    workdir: Path,
    started: float,
) -> Results:
    """Runs the selected studies, and writes results.json after each.

    Args:
      experiment: the launcher's name.
      config: the run's config.
      name: the selected study, or "all".
      studies: name -> study, in the guide's order.
      setting: passed to each study.
      workdir: the run's folder.
      started: `time.monotonic()` when the run began.

    Returns:
      The results of this run; `kept` lists the other studies in results.json.
    """
    measured = ((each, studies[each].run(setting)) for each in chosen(name, studies))
    return record_sections(
        experiment, config, tuple(studies), measured, workdir, started
    )


def record_sections(
    experiment: str,
    config: Common,
    order: tuple[str, ...],
    measured: Iterable[tuple[str, Measured]],
    workdir: Path,
    started: float,
) -> Results:
    """Measures sections one by one, and writes results.json after each.

    Args:
      experiment: the launcher's name.
      config: the run's config.
      order: the names of all possible sections, in the order of results.json.
      measured: yields (name, claims and pictures); a section is measured when the
        iterator reaches it.
      workdir: the run's folder, which holds results.json.
      started: `time.monotonic()` when the run began.

    Returns:
      The results of this run; `kept` lists the other sections in results.json.
    """
    path, fields = workdir / "results.json", dict(leaves(config))
    sections = read_sections(path)
    claims: list[Claim] = []
    figures: list[str] = []
    now: set[str] = set()

    def results() -> Results:
        wall = time.monotonic() - started
        kept = tuple(_kept(fields, sections, order, now))
        return Results(
            experiment, fields, tuple(claims), tuple(figures), wall, workdir, kept
        )

    begun = time.monotonic()
    for name, (found, drawn) in measured:
        claims, figures, now = [*claims, *found], [*figures, *drawn], now | {name}
        own = Results(
            experiment, fields, tuple(found), tuple(drawn),
            time.monotonic() - begun, workdir,
        ).to_json()  # fmt: skip
        sections[name] = Section(
            [{"study": name, **claim} for claim in own.pop("claims")],
            {key: value for key, value in own.items() if key != "experiment"},
        )
        _write(path, results(), sections, order)
        begun = time.monotonic()
    return results()


def read_sections(path: Path) -> dict[str, Section]:
    """Reads the sections of a results.json; returns none if there is no file.

    A damaged file, or one with another layout, becomes results.unread-<number>.json.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Section(
                [claim for claim in content["claims"] if claim["study"] == name],
                {**record, "figures": [str(each) for each in record["figures"]]},
            )
            for name, record in content["studies"].items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        names = (f"results.unread-{number}.json" for number in itertools.count(1))
        aside = next(p for name in names if not (p := path.with_name(name)).exists())
        if writes():
            path.replace(aside)
            print(
                f"{path}: written by another version, or damaged; moved to "
                f"{aside.name}. A new file is started.",
                file=sys.stderr,
            )
        return {}


def _write(
    path: Path, results: Results, sections: dict[str, Section], order: tuple[str, ...]
) -> None:
    known = {name: sections[name] for name in order if name in sections}
    content = {
        **results.to_json(),
        "claims": [claim for each in known.values() for claim in each.claims],
        "figures": [f for each in known.values() for f in each.record["figures"]],
        "studies": {name: each.record for name, each in known.items()},
    }
    write_whole(path, json.dumps(content, indent=1) + "\n")


def _kept(
    fields: dict[str, Any],
    sections: dict[str, Section],
    order: tuple[str, ...],
    now: set[str],
) -> Iterator[str]:
    """Describes the studies of earlier runs: name, and flags that differed then."""
    for name in order:
        if name in sections and name not in now:
            flags = ", ".join(
                f"--{flag}={value}"
                for flag, value in other_flags(sections[name].record, fields).items()
            )
            yield f"{name} ({flags})" if flags else name


def other_flags(record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """The flags of a stored study that differ from those of a run.

    Args:
      record: the study's record in results.json.
      fields: flag name -> value of the run.

    Returns:
      Flag name -> the study's value. Flags that change no number (workdir, theme) and
      the study's name are left out.
    """
    ignored = {*dict(leaves(Common())), "study"}
    config = record.get("config", {})
    as_read = json.loads(json.dumps(fields))  # tuples become lists, as in the record
    return {
        name: value
        for name, value in config.items()
        if name not in ignored and as_read.get(name) != value
    }
