"""Runs the studies of a launcher, and keeps what earlier runs measured of the others.

results.json of a launcher with studies has the claims and pictures of all studies that
ever ran in the workdir, in the guide's order. A claim names its study, and "studies"
says of each how it was measured: config, environment, duration, pictures. Running a
study again replaces what is its own; a run that ends early leaves the studies it has
finished.
"""

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
    """A question of a part.

    Attributes:
      run: answers it in a setting: claims, and pictures relative to the workdir.
      plans: what it trains in a setting; nothing if not given.
    """

    run: Callable[[SettingT], Measured]
    plans: Callable[[SettingT], Iterable[Plan]] = lambda setting: ()


class Section(NamedTuple):
    """What results.json holds of one study.

    Attributes:
      claims: as `Claim.to_json` gives them, with the study's name.
      record: the figures, config, environment and wall seconds.
    """

    claims: list[dict[str, Any]]
    record: dict[str, Any]


def chosen(name: str, studies: Mapping[str, Any]) -> list[str]:
    """The studies that `--study=name` asks for."""
    return [each for each in studies if name in ("all", each)]


def plans_of(
    name: str, studies: Mapping[str, StudyRun[SettingT]], setting: SettingT
) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train, for `--dry`."""
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
    """Runs the studies asked for, and writes results.json after each.

    Args:
      experiment: the launcher's name.
      config: of the run.
      name: of the study asked for, or all.
      studies: in the guide's order.
      setting: of the run.
      workdir: of the run.
      started: `time.monotonic()` when the run began.

    Returns:
      What was measured now; `kept` names what results.json holds besides.
    """
    asked = chosen(name, studies)
    each = ((name, studies[name].run(setting)) for name in asked)
    return record_sections(experiment, config, tuple(studies), each, workdir, started)


def record_sections(
    experiment: str,
    config: Common,
    order: tuple[str, ...],
    measured: Iterable[tuple[str, Measured]],
    workdir: Path,
    started: float,
) -> Results:
    """Writes one section after the other, each as soon as it is measured.

    Args:
      experiment: the launcher's name.
      config: of the run.
      order: of all sections that there may be.
      measured: those of this run, by name; an iterator that makes them.
      workdir: of the run; results.json lies there.
      started: `time.monotonic()` when the run began.
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
    """The sections of a results.json; none where there is no file.

    A file of another layout is moved aside and named, so that its numbers are not lost.
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
        aside = path.with_name("results.unread.json")
        if writes():
            path.replace(aside)
            print(
                f"{path}: not of this version, or damaged; moved to {aside.name}, and "
                "what is measured now is written anew.",
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
    """The kept studies, with the flags that were others when they were measured."""
    for name in order:
        if name in sections and name not in now:
            flags = ", ".join(
                f"--{flag}={value}"
                for flag, value in other_flags(sections[name].record, fields).items()
            )
            yield f"{name} ({flags})" if flags else name


def other_flags(record: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Flags with which a study was measured, where a run's are others.

    Args:
      record: of the study in results.json.
      fields: flag name -> value of the run.

    Returns:
      Flag name -> the study's value; without what changes no number (the workdir, the
      theme) and the name of the study.
    """
    aside = {*dict(leaves(Common())), "study"}
    config = record.get("config", {})
    as_read = json.loads(json.dumps(fields))  # tuples and lists are the same there
    return {
        name: value
        for name, value in config.items()
        if name not in aside and as_read.get(name) != value
    }
