"""The rungs after pre-training at toy size, bad input, and in full (slow)."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments import part5_language_model as part5
from experiments.part5 import feedback, rungs
from experiments.part5.feedback import preferred
from nnguide.config import InputError
from nnguide.data import dialogues
from nnguide.data.conversations import to_lines
from nnguide.data.dialogues import demonstrations, split_questions
from nnguide.data.text import TextConfig
from nnguide.language.grpo import GrpoConfig
from nnguide.language.ppo import PpoConfig

SMALL = dataclasses.replace(part5.Config().model, layers=1, embedding=16, heads=2)
FEW = dataclasses.replace(
    part5.Config().train, steps=10, steps_per_call=5, log_every=5, evaluate_every=0,
    save_every=0, progress=False,
)  # fmt: skip
TOY = feedback.Config(
    demonstrations=40, finetune_steps=10, pairs=200, reward_steps=20, rounds=4,
    batch_size=8, asked=1, ppo=PpoConfig(rows=8), grpo=GrpoConfig(prompts=2, group=4),
)  # fmt: skip


@pytest.fixture
def quick(monkeypatch):
    """One look at a policy, by a judge who likes some of what a toy says."""

    def judge(question, said, ended=True):
        return 0.6 * (len(said) % 2)

    monkeypatch.setattr(rungs.rlhf, "PARTS", 1)
    monkeypatch.setattr(feedback, "judge", judge)
    monkeypatch.setattr(dialogues, "judge", judge)


def config_of(folder: Path, **fields):
    text = folder / "text.txt"
    if not text.exists():
        text.write_text("\n" + "".join(map(chr, range(32, 127))) * 40)
    values = {
        "workdir": str(folder / "run"),
        "model": SMALL,
        "data": TextConfig(f"text:{text}"),
        "train": FEW,
        "optimizer": dataclasses.replace(part5.Config().optimizer, warmup_steps=2),
        "stage": "ladder",
        "feedback": TOY,
    }
    return part5.Config(**{**values, **fields})


ALWAYS = {"finetune", "reward", "weak_reward", "over_optimized"}


@pytest.mark.parametrize(
    "algorithms",
    [("grpo",), pytest.param(("dpo", "ppo", "grpo"), marks=pytest.mark.slow)],
)
def test_the_ladder_climbs_and_a_second_climb_trains_nothing(
    tmp_path, quick, monkeypatch, algorithms
):
    monkeypatch.setattr(rungs, "EVERY", algorithms)
    results = part5.run(config_of(tmp_path))
    assert not [claim for claim in results.claims if claim.as_expected is False]
    ids = [claim.id for claim in results.claims]
    assert len({*ids}) == len(ids) == 6 + len(algorithms)
    names = [Path(figure).stem for figure in results.figures]
    assert names == ["frontier", "answers", "over_optimization"]
    for figure in results.figures:
        with Image.open(results.workdir / figure) as picture:
            assert picture.width == 2400
    kept = {p: p.read_bytes() for p in results.workdir.rglob("metrics.jsonl")}
    assert {p.parent.name for p in kept} == {*ALWAYS, *algorithms}
    again = part5.run(config_of(tmp_path, stage="rlhf", algorithm="grpo"))
    assert {p: p.read_bytes() for p in kept} == kept
    assert [claim.measured for claim in again.claims[:4]] == [
        claim.measured for claim in results.claims[:4]
    ]


def test_preferred_counts_ties_half():
    share, half = preferred(np.array([1, 1, 0.6, 0.0]), np.array([0.6, 1, 0.6, 0.2]))
    assert share == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert half == pytest.approx(1.96 * np.std([1, 0.5, 0.5, 0]) / 2)


@pytest.mark.slow
def test_a_file_of_conversations_is_imitated_by_low_rank_factors(tmp_path, quick):
    part5.run(config_of(tmp_path, stage="ladder"))
    made = demonstrations(split_questions().train, 20, seed=0)
    path = tmp_path / "said.jsonl"
    path.write_text(to_lines(made))
    own = dataclasses.replace(TOY, dataset=f"jsonl:{path}", method="low_rank")
    results = part5.run(config_of(tmp_path, stage="finetune", feedback=own))
    assert len(results.claims) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: feedback.Config(noise=0.5), r"--feedback\.noise=0\.5: give a share"),
        (lambda: feedback.Config(rounds=0), r"--feedback\.rounds=0: give 1 or more"),
        (
            lambda: feedback.Config(reward_steps=15),
            r"--feedback\.reward_steps=15: give a multiple of 10",
        ),
    ],
)
def test_bad_values_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_context_that_holds_no_conversation_is_refused(tmp_path):
    small = dataclasses.replace(SMALL, context=32)
    with pytest.raises(InputError, match=r"new_tokens=31: .* use --model\.context=64"):
        part5.run(config_of(tmp_path, model=small))


def test_stages_need_a_trained_model(tmp_path):
    with pytest.raises(InputError, match="no trained model there"):
        part5.run(config_of(tmp_path, stage="reward"))
