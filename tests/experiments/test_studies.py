"""results.json of launchers with studies: what one study measures leaves the others."""

import dataclasses
import json
from pathlib import Path
from typing import NamedTuple

import pytest

from experiments import compare, launcher
from experiments.report import print_results
from experiments.studies import StudyRun, run_studies
from nnguide.config import run_only
from nnguide.results import Claim


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """A toy's.

    Attributes:
      study: which question to ask.
      alpha: changes what is measured and nothing that is learned.
    """

    study: str = run_only("all")
    alpha: float = run_only(1.0)


class Setting(NamedTuple):
    workdir: Path
    alpha: float


def toy(name, fails=False):
    def run(setting):
        if fails:
            raise KeyboardInterrupt
        claim = Claim(f"0.{name}", f"{name}.", setting.alpha, (0, 9), (0, 9), "")
        return [claim], [f"figures/{name}.png"]

    return StudyRun(run)


TOYS = {name: toy(name) for name in ("first", "second", "third")}


def ask(folder, study, alpha=1.0, studies=TOYS):
    config = Config(workdir=str(folder), study=study, alpha=alpha)
    workdir = launcher.open_workdir("toy", config)
    setting = Setting(workdir, alpha)
    return run_studies("toy", config, study, studies, setting, workdir, 0.0)


def read(folder):
    return json.loads((folder / "results.json").read_text())


def measured(folder):
    content = read(folder)
    return {claim["id"]: claim["measured"] for claim in content["claims"]}


def test_one_study_replaces_its_own_and_keeps_the_others_in_order(tmp_path):
    for study in ("third", "first"):
        ask(tmp_path, study)
    assert list(measured(tmp_path)) == ["0.first", "0.third"]
    ask(tmp_path, "second")
    results = ask(tmp_path, "first", alpha=3.0)
    assert measured(tmp_path) == {"0.first": 3.0, "0.second": 1.0, "0.third": 1.0}
    assert list(measured(tmp_path)) == ["0.first", "0.second", "0.third"]
    content = read(tmp_path)
    assert content["figures"] == [f"figures/{name}.png" for name in TOYS]
    assert [claim["study"] for claim in content["claims"]] == list(TOYS)
    assert [claim.id for claim in results.claims] == ["0.first"]
    assert results.figures == ("figures/first.png",)


def test_a_study_says_with_what_it_was_measured(tmp_path, capsys):
    ask(tmp_path, "all")
    results = ask(tmp_path, "third", alpha=3.0)
    studies = read(tmp_path)["studies"]
    assert [studies[name]["config"]["alpha"] for name in TOYS] == [1.0, 1.0, 3.0]
    assert all(each["environment"]["jax"] for each in studies.values())
    assert results.kept == ("first (--alpha=1.0)", "second (--alpha=1.0)")
    print_results(results)
    shown = capsys.readouterr().out
    assert "kept there from earlier runs: first (--alpha=1.0); second" in shown
    assert "0.first" not in shown
    table = dict(compare.rows([compare.read_run(tmp_path)]))
    assert table["0.first"] == ["1, holds, as expected (--alpha=1.0)"]
    assert table["0.third"] == ["3, holds, as expected"]


def test_what_is_finished_outlives_an_interruption(tmp_path):
    ask(tmp_path, "third")
    with pytest.raises(KeyboardInterrupt):
        ask(tmp_path, "all", 2.0, {**TOYS, "second": toy("second", fails=True)})
    assert measured(tmp_path) == {"0.first": 2.0, "0.third": 1.0}


@pytest.mark.parametrize(
    "old",
    ["{", "[]", '{"claims": [{"id": "0.first"}], "figures": []}', '{"studies":1}'],
)
def test_a_file_of_another_layout_is_moved_aside_in_one_line(tmp_path, capsys, old):
    ask(tmp_path, "first")
    (tmp_path / "results.json").write_text(old)
    ask(tmp_path, "second")
    assert list(measured(tmp_path)) == ["0.second"]
    assert (tmp_path / "results.unread-1.json").read_text() == old
    (line,) = capsys.readouterr().err.splitlines()
    assert "moved to results.unread-1.json" in line
