"""`python -m experiments`: the list of launchers."""

import subprocess
import sys
from pathlib import Path

from experiments import __main__ as listing

FOLDER = Path(listing.__file__).parent


def test_every_module_that_can_be_run_is_listed_with_its_first_line(capsys):
    assert listing.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    known = {path.stem for path in FOLDER.glob("part?_*.py")}
    assert {line.split()[0] for line in lines[:-2]} == known | {
        "benchmark", "compare", "dry_run",
    }  # fmt: skip
    (part3,) = (line for line in lines if line.startswith("part3_backpropagation "))
    assert part3.endswith("the desires of one example.")


def test_a_narrow_list_keeps_within_its_width():
    lines = list(listing.lines(list(listing.launchers(FOLDER)), 40))
    assert max(len(line) for each in lines for line in each.splitlines()) <= 40


def test_it_reads_the_modules_and_runs_none():
    asked = (
        "import sys, experiments.__main__ as m; m.main([]); print('jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_an_unknown_argument_is_one_line(capsys):
    assert listing.main(["part9"]) == 1
    assert listing.main(["part8_facts", "--dry"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "error: part9: not an argument; give none.",
        "error: part8_facts: not an argument; run python -m experiments.part8_facts.",
    ]
