"""Claims with two verdicts, and results.json."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import jax
import pytest

import nnguide
from nnguide import results
from nnguide.results import Caveat, Claim, Results

COUNT = Claim(
    id="1.parameter_count",
    statement="The network has 13,002 weights and biases.",
    measured=13002,
    stated=(13002, 13002),
    expected=(13002, 13002),
    source="Chapter 1",
)


@pytest.mark.parametrize(
    ("value", "band", "inside"),
    [
        (1.0, (1.0, 2.0), True),
        (2.0, (1.0, 2.0), True),
        (2.1, (1.0, 2.0), False),
        (0.9, (1.0, 2.0), False),
        (1e9, (1.0, None), True),
        (0.0, (1.0, None), False),
        (-1e9, (None, 0.0), True),
        (1.0, (None, 0.0), False),
        (float("inf"), (0.0, None), True),
        (float("nan"), (None, None), False),
    ],
)
def test_bands_are_closed_and_may_be_open_on_a_side(value, band, inside):
    assert results.lies_in(value, band) is inside


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("measured", "verdict"), [(0.5, "holds"), (1.5, "caveat"), (2.5, "false")]
)
def test_the_verdict_is_computed_from_the_bands(measured, verdict):
    claim = dataclasses.replace(
        COUNT,
        measured=measured,
        stated=(0, 1),
        caveat=Caveat((0, 2), "Only with ReLU."),
    )
    assert claim.verdict == verdict


def test_a_claim_without_caveat_holds_or_is_false():
    assert COUNT.verdict == "holds"
    assert dataclasses.replace(COUNT, measured=13003).verdict == "false"


def test_a_false_claim_may_be_as_expected():
    """The guide says rank 1; every correct implementation measures rank 106."""
    bratwurst = dataclasses.replace(
        COUNT, measured=106, stated=(1, 1), expected=(106, 106)
    )
    assert bratwurst.verdict == "false"
    assert bratwurst.as_expected is True
    assert dataclasses.replace(bratwurst, measured=1).as_expected is False


def test_a_run_too_small_for_a_claim_is_not_scored():
    small = dataclasses.replace(COUNT, measured=7, needs="30 epochs", scored=False)
    assert small.as_expected is None
    assert small.verdict == "false"


def test_a_claim_in_json_holds_everything_and_both_verdicts():
    claim = dataclasses.replace(
        COUNT, caveat=Caveat((0, None), "Only with biases."), unit="parameters"
    )
    assert json.loads(json.dumps(claim.to_json())) == {
        "id": "1.parameter_count",
        "statement": "The network has 13,002 weights and biases.",
        "measured": 13002.0,
        "unit": "parameters",
        "stated": [13002, 13002],
        "caveat": {"band": [0, None], "says": "Only with biases."},
        "expected": [13002, 13002],
        "source": "Chapter 1",
        "needs": "",
        "scored": True,
        "verdict": "holds",
        "as_expected": True,
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_null_for_what_it_cannot_write(value):
    claim = dataclasses.replace(COUNT, measured=value).to_json()
    assert claim["measured"] is None
    assert claim["verdict"] == "false"
    json.dumps(claim, allow_nan=False)


# --- the file ----------------------------------------------------------------------

RUN = Results(
    experiment="part1",
    config={"train.rate": 1.5},
    claims=(COUNT,),
    figures=("figures/a.png",),
    wall_seconds=1.23456,
    workdir=Path("runs/part1"),
)


@pytest.mark.smoke
def test_results_json_has_the_promised_fields(tmp_path):
    RUN.save(tmp_path / "results.json")
    content = json.loads((tmp_path / "results.json").read_text())
    assert list(content) == [
        "experiment",
        "config",
        "environment",
        "claims",
        "figures",
        "wall_seconds",
    ]
    assert content["config"] == {"train.rate": 1.5}
    assert content["figures"] == ["figures/a.png"]
    assert content["wall_seconds"] == 1.235
    assert content["claims"] == [json.loads(json.dumps(COUNT.to_json()))]
    assert content["environment"]["jax"] == jax.__version__
    assert content["environment"]["platform"] == "cpu"
    assert content["environment"]["device_count"] == jax.device_count()


def git(folder, *arguments):
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*"]
    return subprocess.run(
        ["git", *name, *arguments], cwd=folder, check=True, capture_output=True
    ).stdout.decode()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Somebody's repository, with our packages as plain files in `site`."""
    for package in ("nnguide", "experiments"):
        (tmp_path / "site" / package).mkdir(parents=True)
        (tmp_path / "site" / package / "__init__.py").touch()
    (tmp_path / "site/nnguide/results.py").touch()
    monkeypatch.setattr(results, "__file__", str(tmp_path / "site/nnguide/results.py"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "somebody's project")
    return tmp_path


def recorded():
    surroundings = results.environment()
    assert surroundings["version"] == nnguide.__version__
    return surroundings["commit"]


def test_a_repository_around_the_installation_is_not_ours(project):
    assert recorded() is None
    (project / ".gitignore").write_text("site\n")
    git(project, "add", ".gitignore")
    git(project, "commit", "-q", "-m", "an environment is ignored")
    assert recorded() is None


def test_a_repository_that_tracks_the_packages_is_ours_with_changes_marked(project):
    git(project, "add", "site")
    git(project, "commit", "-q", "-m", "ours")
    commit = git(project, "rev-parse", "HEAD")[:12]
    (project / "notes.txt").write_text("theirs")  # no file of ours
    (project / "site/nnguide/__pycache__").mkdir()
    (project / "site/nnguide/__pycache__/results.pyc").touch()
    assert recorded() == commit
    for package in ("nnguide", "experiments"):
        (project / "site" / package / "__init__.py").write_text("changed = True\n")
        assert recorded() == f"{commit}-dirty"
        git(project, "checkout", "-q", "site")
    (project / "site/experiments/new.py").touch()
    assert recorded() == f"{commit}-dirty"


def test_the_commit_is_of_the_submodule_that_holds_the_packages(project):
    inner = git(project / "site", "init", "-q") or project / "site"
    git(inner, "add", ".")
    git(inner, "commit", "-q", "-m", "ours")
    git(project, "add", "site")  # as a submodule is: by its commit
    git(project, "commit", "-q", "-m", "with ours")
    assert recorded() == git(inner, "rev-parse", "HEAD")[:12]


def test_variables_that_name_another_repository_are_not_followed(project, monkeypatch):
    git(project, "add", "site")
    git(project, "commit", "-q", "-m", "ours")
    (project / "other").mkdir()
    git(project / "other", "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(project / "other/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(project / "other"))
    found = recorded()
    monkeypatch.undo()
    assert found == git(project, "rev-parse", "HEAD")[:12]


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("git"),
        PermissionError("git"),
        subprocess.TimeoutExpired("git", 10),
        subprocess.CalledProcessError(128, "git", stderr=b"dubious ownership"),
    ],
)
def test_git_that_is_missing_hangs_or_refuses_leaves_the_version(monkeypatch, failure):
    def fails(*args, **kwargs):
        raise failure

    monkeypatch.setattr(subprocess, "run", fails)
    assert recorded() is None


def test_the_environment_has_no_commit_outside_of_a_repository(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "__file__", str(tmp_path / "nnguide/results.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert recorded() is None


def test_a_kill_while_writing_leaves_the_old_file(monkeypatch, tmp_path):
    path = tmp_path / "results.json"
    RUN.save(path)
    old = path.read_text()

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        dataclasses.replace(RUN, experiment="part2").save(path)
    assert path.read_text() == old


def test_text_is_written_as_utf8_whatever_the_locale(tmp_path):
    results.write_whole(tmp_path / "note", "10⁻⁶ ≤ ε\n")
    assert (tmp_path / "note").read_bytes() == "10⁻⁶ ≤ ε\n".encode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["note"]
