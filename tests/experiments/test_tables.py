"""Tables at every width, and text that looks like markup."""

import re
from pathlib import Path

import pytest

from experiments import compare, tables
from experiments.report import print_results
from nnguide.results import Claim, Results

STATEMENT = "the unembedding [bold]predicts[/] what comes next :smile: [/]"
CLAIM = Claim("0.a", STATEMENT, 0.5, (0.9, 1), (0.4, 0.6), "", "share [of] answers")
WORDS = ("unembedding", "[bold]predicts[/]", ":smile:", "[/]", "[of]", "EXPECTED")


def shown(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    results = Results("toy", {}, (CLAIM,), ("figures/[b]x.png",), 1.0, Path("/[red]"))
    print_results(results)
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(
    columns, capsys, monkeypatch
):
    text = shown(capsys, monkeypatch, columns).replace("as expected", "EXPECTED")
    lines = [line for line in text.splitlines() if "/[red]" not in line]
    assert max(map(len, lines)) <= columns
    words = {word for line in lines for word in line.split()}
    assert {*WORDS} <= words
    assert "/[red]/figures/[b]x.png" in text


def test_narrow_tables_are_a_block_a_row(capsys, monkeypatch):
    lines = [line.rstrip() for line in shown(capsys, monkeypatch, 40).splitlines()]
    assert lines[:8] == [
        "the unembedding [bold]predicts[/] what",
        "comes next :smile: [/]",
        "  measured: 0.5 share [of] answers",
        "  stated: 0.9 to 1",
        "  expected: 0.4 to 0.6",
        "  verdict: false",
        "  as expected",
        "",
    ]


def test_a_pipe_gets_one_width_whatever_the_machine(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert tables.width() == tables.PLAIN
    monkeypatch.setenv("COLUMNS", "not a number")
    assert tables.width() == tables.PLAIN
    monkeypatch.setenv("COLUMNS", "1")
    assert tables.width() == 20


def test_runs_are_compared_on_a_narrow_terminal_too(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    runs = [compare.Run(name, {}, {}, {"[x]": value}) for name, value in
            (("runs/[a]", 1.0), ("runs/b", 2.0))]  # fmt: skip
    compare.print_table(runs)
    assert capsys.readouterr().out == "[x]\n  runs/[a]: 1\n  runs/b: 2\n\n"


def test_nothing_else_prints_by_way_of_rich():
    sources = Path(tables.__file__).parent.rglob("*.py")
    users = {
        path.name
        for path in sources
        if re.search(
            r"from rich\.(console|table|markup)|rich import print", path.read_text()
        )
    }
    assert users == {"tables.py"}
