"""Runs side by side."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import compare
from nnguide.config import InputError
from nnguide.results import Claim, Results


def make_run(folder, rate=1.5, accuracy=0.904, finished=True, last=None):
    config = {"workdir": str(folder), "optimizer.rate": rate, "widths": [784, 10]}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    claim = Claim(
        id="1.test_accuracy",
        statement="The network reads the digits.",
        measured=accuracy,
        stated=(0.9, 1.0),
        expected=(0.894, 0.914),
        source="Chapter 1",
    )
    count = Claim("1.count", "13,002.", 13002, (0, 0), (0, 0), "", "weights")
    unscored = Claim("1.noise", "Sure.", 1, (0, 0), (0, 0), "", scored=False)
    claims = (claim, count, unscored)
    if finished:
        Results("part1", config, claims, (), 1.0, folder).save(folder / "results.json")
    rows = [{"step": 1, "loss": 2.8}, {"step": 2, "loss": 0.5, **(last or {})}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder


def table_of(*folders):
    return dict(compare.rows([compare.read_run(folder) for folder in folders]))


@pytest.mark.smoke
def test_claims_and_last_metrics_stand_under_the_flags_that_differ(tmp_path):
    slow = make_run(tmp_path / "slow", rate=0.1, accuracy=0.87)
    assert table_of(make_run(tmp_path / "fast"), slow) == {
        "--optimizer.rate": ["1.5", "0.1"],
        "1.test_accuracy": [
            "0.904, holds, as expected",
            "0.87, false, NOT AS EXPECTED",
        ],
        "1.count": ["13,002 weights, false, NOT AS EXPECTED"] * 2,
        "1.noise": ["1, false, unscored"] * 2,
        "step": ["2", "2"],
        "loss": ["0.5", "0.5"],
    }


def test_metrics_of_sub_folders_lead_with_their_name(tmp_path):
    run = make_run(tmp_path / "run")
    (run / "batch" / "full").mkdir(parents=True)
    (run / "batch" / "full" / "metrics.jsonl").write_text('{"step": 7}\n')
    assert table_of(run)["batch/full/step"] == ["7"]


def test_a_metric_of_many_seeds_is_a_mean_with_its_spread(tmp_path):
    run = make_run(tmp_path / "run", last={"test/accuracy": [0.9, 0.91, 0.92]})
    assert table_of(run)["test/accuracy"] == ["0.91 ± 0.01, n=3"]
    one = make_run(tmp_path / "one", last={"test/accuracy": [0.9]})
    assert table_of(one)["test/accuracy"] == ["0.9, n=1"]


def test_the_last_value_of_a_metric_need_not_be_in_the_last_row(tmp_path):
    run = make_run(tmp_path / "run", last={"test/accuracy": 0.9})
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "loss": 0.25}\n{"step": 4, "lo')  # and then it died
    table = table_of(run)
    assert (table["test/accuracy"], table["loss"]) == (["0.9"], ["0.25"])


def test_what_a_run_lacks_is_a_dash(tmp_path):
    finished, killed = (
        make_run(tmp_path / "a"),
        make_run(tmp_path / "b", finished=False),
    )
    assert table_of(finished, killed)["1.count"][1] == "-"
    (killed / "metrics.jsonl").unlink()
    assert table_of(finished, killed)["loss"] == ["0.5", "-"]


def test_a_measurement_that_is_not_finite_is_said(tmp_path):
    run = make_run(tmp_path / "run", accuracy=float("nan"))
    cell = "not finite, false, NOT AS EXPECTED"
    assert table_of(run)["1.test_accuracy"] == [cell]


def test_a_bad_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="none: no such folder"):
        compare.read_run(tmp_path / "none")
    with pytest.raises(InputError, match=r"no config\.json"):
        compare.read_run(tmp_path)
    run = make_run(tmp_path / "run")
    (run / "results.json").write_text("{")
    with pytest.raises(InputError, match=r"results\.json: not JSON"):
        compare.read_run(run)


def test_without_a_terminal_the_table_is_plain_text(tmp_path, capsys):
    folders = [make_run(tmp_path / f"run{i}", rate=i / 10) for i in range(12)]
    compare.main([*map(str, folders)])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    (rates,) = (line for line in printed.splitlines() if "rate" in line)
    assert rates.split()[1:] == [str(i / 10) for i in range(12)]  # one line, not folded


def test_brackets_are_no_markup(tmp_path, capsys):
    runs = [make_run(tmp_path / name) for name in ("[red]a", "b")]
    content = json.loads((runs[1] / "config.json").read_text())
    (runs[1] / "config.json").write_text(json.dumps({**content, "widths": "[bold]x"}))
    compare.print_table([compare.read_run(run) for run in runs])
    printed = capsys.readouterr().out
    assert "[red]a" in printed
    assert "[bold]x" in printed


def test_without_a_run_it_says_so():
    with pytest.raises(InputError, match="no run given"):
        compare.main([])


def test_bad_input_ends_with_one_line_and_status_1():
    ran = subprocess.run(
        [sys.executable, "-m", "experiments.compare", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line == "error: nowhere: no such folder. Give the workdir of a launcher."
