"""`--dry`: every training of every launcher and study, as it would be run."""

import dataclasses
import importlib
import os
import typing
from pathlib import Path

import jax
import pytest
from flax.linen import unbox

from experiments import launcher
from experiments.plan import print_plans, shapes
from nnguide import flops

NAMES = sorted(path.stem for path in Path(launcher.__file__).parent.glob("part?_*.py"))
UNTRAINED = {
    "part2_gradient_descent": {"gradient", "saturation"},
    "part4_chain_rule": {""},
    "part6_transformers": {"tokens", "directions", "parameters"},
    "part7_attention": {"scaling", "cost"},
    "part8_facts": {"gate", "orthogonal"},
}


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def plans_of(module, **fields):
    config = dataclasses.replace(module.Config(), **fields)
    found = {name: list(plans) for name, plans in module.plans(config).items()}
    return config, found


@pytest.mark.parametrize(  # each step is traced for its FLOPs, which takes its time
    "counted", [False, pytest.param(True, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", NAMES)
def test_dry_describes_what_would_be_trained_and_writes_nothing(
    name, counted, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    if not counted:
        monkeypatch.setattr(flops, "count", lambda *args: 1)
    module = importlib.import_module(f"experiments.{name}")
    hints = typing.get_type_hints(module.Config)
    whole = {"study": "all"} if "study" in hints else {}
    config, plans = plans_of(module, **whole)
    assert {each for each, found in plans.items() if not found} == UNTRAINED.get(
        name, set()
    )
    if whole:
        assert {"all", *plans} == {*typing.get_args(hints["study"])}
    print_plans(config, plans)
    shown = capsys.readouterr().out
    for each, found in plans.items():
        assert found or "trains no network" in shown
        for plan in found:
            assert f"{plan.config.steps:,} steps" in shown
            assert (plan.name or each) in shown
    each = [plan for found in plans.values() for plan in found]
    if each:  # the parameters that a run starts from, drawn and counted
        born = unbox(jax.jit(each[0].task.init)(jax.random.key(0)))
        assert f"{count(born):,}\n" in shown
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["part7_attention", "part9_diffusion"])
def test_dry_of_one_study_describes_that_one(name):
    module = importlib.import_module(f"experiments.{name}")
    _, every = plans_of(module, study="all")
    study = list(every)[1]
    _, one = plans_of(module, study=study)
    assert {each: [plan.name for plan in found] for each, found in one.items()} == {
        study: [plan.name for plan in every[study]]
    }


@pytest.mark.parametrize(
    ("stage", "names"),
    [
        ("chat", []),
        ("pretrain", [""]),
        ("reward", ["finetune", "reward"]),
        ("rlhf", ["finetune", "reward", "grpo"]),
        (
            "ladder",
            ["", "finetune", "reward", "dpo", "ppo", "grpo", "weak_reward",
             "over_optimized", "smaller", "finetune"],
        ),
    ],
)  # fmt: skip
def test_dry_of_part_5_s_stages(stage, names):
    module = importlib.import_module("experiments.part5_language_model")
    _, plans = plans_of(module, stage=stage)
    assert [plan.name.rpartition("/")[2] for plan in plans[stage]] == names
    if stage == "rlhf":  # on answers that no model has given yet
        assert shapes(plans[stage][2]).flops > 1e9
