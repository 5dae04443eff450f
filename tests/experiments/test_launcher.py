"""What every launcher does: flags, workdirs, one-line errors, the table."""

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import pytest
from absl import flags

from experiments import launcher
from experiments.report import print_results
from nnguide.config import InputError, define_flags, groups, run_only
from nnguide.results import Caveat, Claim, Results

PART1 = "experiments.part1_neural_network"


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """A toy's.

    Attributes:
      rate: changes what is learned.
      loud: does not.
    """

    rate: float = 1.0
    loud: bool = run_only(False)


def start(*arguments, cwd=None, module=PART1):
    """Runs a launcher as a user would; it reaches no terminal."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        check=False,
    )


def test_the_same_config_finds_its_folder_and_another_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = launcher.open_workdir("toy", Config())
    assert first.parts[:2] == ("runs", "toy")
    assert launcher.open_workdir("toy", Config(loud=True)) == first
    assert launcher.open_workdir("toy", Config(rate=2.0)) != first
    assert json.loads((first / "config.json").read_text())["rate"] == 1.0


def test_a_folder_of_another_config_is_refused_with_the_fields(tmp_path):
    folder = str(tmp_path / "run")
    launcher.open_workdir("toy", Config(workdir=folder))
    launcher.open_workdir("toy", Config(workdir=folder, loud=True))
    with pytest.raises(InputError, match=r"--rate 1\.0 there, 2\.0 asked.*--restart"):
        launcher.open_workdir("toy", Config(workdir=folder, rate=2.0))


def test_restart_moves_the_earlier_run_aside(tmp_path):
    folder = tmp_path / "run"
    launcher.open_workdir("toy", Config(workdir=str(folder)))
    (folder / "kept").write_text("work")
    launcher.open_workdir("toy", Config(workdir=str(folder), rate=2.0, restart=True))
    assert (tmp_path / "run.replaced-1/kept").read_text() == "work"
    assert not (folder / "kept").exists()


def test_restart_leaves_a_folder_that_is_no_run(tmp_path):
    (tmp_path / "thesis").write_text("years")
    with pytest.raises(InputError, match="no run of ours"):
        launcher.open_workdir("toy", Config(workdir=str(tmp_path), restart=True))
    assert (tmp_path / "thesis").read_text() == "years"


def test_a_kill_while_config_json_is_written_does_no_harm(tmp_path):
    (tmp_path / "config.json.partial").write_text('{"rat')
    launcher.open_workdir("toy", Config(workdir=str(tmp_path)))
    assert json.loads((tmp_path / "config.json").read_text())["rate"] == 1.0


@pytest.mark.parametrize(
    "content", [{"notes": "mine"}, {"config.json": "{"}, {"config.json": "[]"}]
)
def test_a_folder_that_is_no_run_is_left_alone(tmp_path, content):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=r"--workdir|not a run's config"):
        launcher.open_workdir("toy", Config(workdir=str(tmp_path)))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == content


def test_the_table_says_everything_about_a_claim(tmp_path, capsys):
    claim = Claim(
        "0.toy",
        "apples fall",
        0.5,
        (0.9, 1),
        (0.4, 0.6),
        "Newton",
        "of apples",
        Caveat((0.3, 0.9), "only the ripe ones"),
    )
    print_results(Results("toy", {}, (claim,), ("figures/fall.png",), 1.0, tmp_path))
    shown = capsys.readouterr().out
    for text in ("apples fall", "0.5 of apples", "0.9 to 1", "0.4 to 0.6", "caveat"):
        assert text in shown
    assert "as expected" in shown
    assert "only the ripe ones" in shown
    assert f"{tmp_path}/figures/fall.png" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ["--network.widths=784,16,11"],
            "network.widths=784,16,11: the images have 784",
        ),
        (["--batch_sizes=10,30"], "batch_sizes=(10, 30): train.steps_per_call=400"),
        (["--dataset=mnost"], "mnost"),
        (["--optimizer.rate=-1"], "optimizer.rate=-1.0: give more than 0."),
        (["--train.steps=7"], "train.steps=7: must be a multiple"),
        (["--parallel.devices=99"], "parallel.devices=99: JAX sees"),
        (["digits"], "digits: not a flag"),
    ],
)
def test_bad_input_is_one_line_and_exit_status_1(tmp_path, flags, says):
    done = start(*flags, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert says in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


LAUNCHERS = sorted(
    path.stem for path in Path(launcher.__file__).parent.glob("part?_*.py")
)


def seeds(config):
    """The flag of every seed in a config, and a function that sets it."""
    for prefix, group in groups(config):
        if hasattr(group, "seed"):
            yield (
                prefix + "seed",
                lambda seed, g=group: dataclasses.replace(g, seed=seed),
            )


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_seed_that_no_key_holds_is_refused(name):
    config = importlib.import_module(f"experiments.{name}").Config()
    found = dict(seeds(config))
    assert found
    for flag, with_seed in found.items():
        assert with_seed(2**32 - 1).seed == 2**32 - 1, flag
        for seed in (-1, 2**32):
            with pytest.raises(InputError, match=rf"--.*seed={seed}: give a whole"):
                with_seed(seed)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_each_launcher_s_flags_are_defined_once(name):
    config = importlib.import_module(f"experiments.{name}").Config()
    before = set(flags.FLAGS)
    try:
        assert define_flags(config)() == config
    finally:
        for flag in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, flag)


def test_a_misspelt_flag_gets_a_hint(tmp_path):
    done = start("--train.stepps=3", cwd=tmp_path)
    assert done.returncode == 1
    assert "Did you mean: train.steps" in done.stderr


def test_help_lists_every_field_with_its_text(tmp_path):
    done = start("--help", cwd=tmp_path)
    for text in (
        "--batch_sizes:",
        "how many networks to train at once, from different random starts",
        "--parallel.mode: <jit|shard_map|pmap>",
        "--figures.theme: <light|dark>",
    ):
        assert text in " ".join(done.stdout.split())


@pytest.mark.slow
def test_help_comes_within_0_6_s_of_the_imports():
    def seconds(*command):
        started = time.monotonic()
        subprocess.run([sys.executable, *command], capture_output=True, check=False)
        return time.monotonic() - started

    pairs = [
        (seconds("-m", PART1, "--help"), seconds("-c", "import jax, flax, optax"))
        for _ in range(5)
    ]
    assert min(ours - theirs for ours, theirs in pairs) < 0.6


def test_dry_describes_the_run_and_trains_nothing(tmp_path):
    done = start("--dry", "--seeds=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "13,002" in done.stdout
    # 3 products a weight and example but for the first layer's input, 2 FLOPs each.
    flops = 2 * 10 * (2 * 784 * 16 + 3 * (16 * 16 + 16 * 10))
    assert f"{flops:,}" in done.stdout
    assert os.listdir(tmp_path) == []


def test_programs_are_not_kept_where_others_can_write(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NNGUIDE_CACHE", str(tmp_path / "cache"))
    before = jax.config.values["jax_compilation_cache_dir"]
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        launcher.keep_compiled_programs()
        kept = Path(jax.config.values["jax_compilation_cache_dir"])
        assert kept.is_relative_to(tmp_path / "cache" / "compiled")
        jax.config.update("jax_compilation_cache_dir", None)
        (tmp_path / "cache").chmod(0o777)
        with caplog.at_level("WARNING", "absl"):
            launcher.keep_compiled_programs()
        assert jax.config.values["jax_compilation_cache_dir"] is None
        assert "each run compiles anew" in caplog.text
        assert f"chmod go-w {tmp_path / 'cache'}" in caplog.text
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
