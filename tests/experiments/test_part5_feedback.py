"""The rungs after pre-training at toy size, bad input, and in full (slow)."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import launcher
from experiments import part5_language_model as part5
from experiments.part5 import (
    feedback,
    finetune,
    material,
    rungs,
    training_run,
    tuned,
)
from experiments.part5.feedback import preferred
from nnguide.config import InputError
from nnguide.data import conversations, dialogues
from nnguide.data.conversations import Conversation, Preference, to_lines
from nnguide.data.dialogues import demonstrations, split_questions
from nnguide.data.text import TextConfig
from nnguide.language.grpo import GrpoConfig
from nnguide.language.ppo import PpoConfig
from nnguide.tokenizer.characters import Characters

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
    monkeypatch.setattr(finetune, "LONG", 16)
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


def pretrain(folder: Path) -> None:
    """Leaves a pre-trained model, without the measurements of --stage=pretrain."""
    config = config_of(folder)
    workdir = launcher.open_workdir(part5.NAME, config)
    setting = part5._setting(config, workdir)
    training_run.train(setting, config.optimizer, config.train, config.batch_size)


ALWAYS = {"finetune", "reward", "weak_reward", "over_optimized"}


@pytest.mark.slow
@pytest.mark.parametrize("algorithms", [("grpo",), ("dpo", "ppo", "grpo")])
def test_the_ladder_climbs_and_a_second_climb_trains_nothing(
    tmp_path, quick, monkeypatch, algorithms
):
    monkeypatch.setattr(rungs, "EVERY", algorithms)
    results = part5.run(config_of(tmp_path))
    assert not [claim for claim in results.claims if claim.as_expected is False]
    ids = [claim.id for claim in results.claims]
    assert len({*ids}) == len(ids) == 8 + len(algorithms)
    names = [Path(figure).stem for figure in results.figures]
    assert names == ["next_words", "frontier", "answers", "over_optimization"]
    for figure in results.figures:
        with Image.open(results.workdir / figure) as picture:
            assert picture.width == 2400
    kept = {p: p.read_bytes() for p in results.workdir.rglob("metrics.jsonl")}
    assert {p.parent.name for p in kept} == {*ALWAYS, *algorithms}
    again = part5.run(config_of(tmp_path, stage="rlhf", algorithm="grpo"))
    assert {p: p.read_bytes() for p in kept} == kept
    assert [claim.measured for claim in again.claims[:5]] == [
        claim.measured for claim in results.claims[:5]
    ]


def test_a_fine_tuned_model_answers_a_prompt_and_no_other_is_made(
    tmp_path, quick, capsys
):
    pretrain(tmp_path)
    results = part5.run(config_of(tmp_path, stage="finetune"))
    assert [claim.id for claim in results.claims] == [
        "5.base_runs_past", "5.tuned_stops", "5.base_is_wrong", "5.tuned_is_right",
    ]  # fmt: skip
    assert not [claim for claim in results.claims if claim.as_expected is not None]
    assert [Path(figure).stem for figure in results.figures] == ["next_words"]
    capsys.readouterr()
    asked = {"stage": "chat", "prompt": "hello?", "new_tokens": 8}
    part5.run(config_of(tmp_path, chatbot="finetuned", **asked))
    printed = capsys.readouterr().out
    assert printed.count("--- the document:\nUser: hello?\nAI:\n--- it") == 1
    # The fine-tuned parameters speak, not the pre-trained ones.
    bot = part5._chatbot(
        config_of(tmp_path), part5._speaker(config_of(tmp_path), tmp_path / "run")[0],
        tmp_path / "run",
    )  # fmt: skip
    base = part5._speaker(config_of(tmp_path), tmp_path / "run")[0].params
    params = tuned.params_of(bot, base, "finetuned")
    assert jax.tree.structure(params) == jax.tree.structure(base)
    moved = jax.tree.map(lambda a, b: float(abs(a - b).max()), params, base)
    assert max(jax.tree.leaves(moved)) > 0
    with pytest.raises(InputError, match=r"--chatbot=ppo: .* --algorithm=ppo"):
        part5.run(config_of(tmp_path, chatbot="ppo", **asked))


BAD_LINES = {
    "two user turns in a row": '{"messages": [{"role": "user", "content": "a"}, '
    '{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]}',
    "an empty assistant turn": '{"messages": [{"role": "user", "content": "a"}, '
    '{"role": "assistant", "content": ""}]}',
    "chosen and rejected are equal": '{"prompt": "a", "chosen": "b", "rejected": "b"}',
    "not JSON": "{",
}


def test_bad_lines_end_a_stage_at_once_or_are_counted(tmp_path, quick, monkeypatch):
    pretrain(tmp_path)
    good = to_lines(demonstrations(split_questions().train, 20, seed=0)).splitlines()
    path = tmp_path / "said.jsonl"

    def run(skip=False):
        own = dataclasses.replace(TOY, dataset=f"jsonl:{path}", skip_bad_lines=skip)
        return part5.run(config_of(tmp_path, stage="finetune", feedback=own))

    def never(*arguments):
        raise AssertionError("worked before the file was read")

    with monkeypatch.context() as patch:
        patch.setattr(rungs, "examine", never)
        for says, line in BAD_LINES.items():
            path.write_text("\n".join([*good, line]))
            with pytest.raises(InputError, match=f"said.jsonl:21: {says}.*;") as error:
                run()
            assert "\n" not in str(error.value)
    path.write_text("\n".join([*good, *BAD_LINES.values()]))
    told = []
    monkeypatch.setattr(
        conversations.logging, "warning", lambda text, *rest: told.append(text % rest)
    )
    assert len(run(skip=True).claims) == 4
    assert told == [f"{path}: 4 bad lines of 24 skipped"]


PAIRS = [Preference("a", "b", "c"), Preference("d", "e", "f")]


def test_a_stage_says_which_records_its_file_needs(tmp_path):
    bot = toy_bot(tmp_path)
    said = list(demonstrations(split_questions().train, 3, seed=0))
    cases: list[tuple[feedback.Rung, list[Any], str]] = [
        ("finetune", PAIRS, 'with "messages", which it fine-tunes on.$'),
        ("finetune", [*said[:1], *PAIRS], "1 lines with messages and 2 with pref"),
        (
            "reward",
            PAIRS,
            '0 lines with messages and 2 .* and two or more with "prompt"',
        ),
        ("reward", said, 'stage=reward needs .*"chosen" and "rejected" for the reward'),
        ("rlhf", [*said, PAIRS[0]], "3 lines with messages and 1 with preferences"),
    ]
    for rung, records, says in cases:
        (tmp_path / "said.jsonl").write_text(to_lines(records))
        with pytest.raises(InputError, match=rf"said\.jsonl: has .*{says}"):
            material.read(bot, rung)
    (tmp_path / "said.jsonl").write_text(to_lines([*PAIRS, *said]))
    assert material.read(bot, "finetune").pairs is None
    found = material.read(bot, "reward")
    assert found.pairs is not None
    assert (len(found.pairs.learned.tokens), len(found.pairs.heldout.tokens)) == (1, 1)
    sizes = (
        len(found.demonstrations.learned.tokens),
        len(found.demonstrations.heldout.tokens),
    )
    assert sizes == (2, 1)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (Conversation((("a", "b" * 90),)), "its 103 tokens are more than the model's"),
        (Conversation((("a", "\u00e9"),)), "character '\u00e9' at position 1"),
        (Preference("a", "b", "c" * 90), "its 103 tokens are more than the model's"),
        (Preference("a", "b", "\u00e9"), "character '\u00e9' at position 1"),
    ],
)
def test_a_record_that_the_model_cannot_learn_is_named_by_file_and_line(
    tmp_path, record, says
):
    bot = toy_bot(tmp_path)
    said = demonstrations(split_questions().train, 3, seed=0)
    lines = to_lines([*PAIRS, *said, record, *PAIRS, *said])
    (tmp_path / "said.jsonl").write_text("\n" + lines)
    with pytest.raises(InputError, match=rf"said\.jsonl:7: {says}"):
        material.read(bot, "reward")


def toy_bot(folder: Path) -> feedback.Chatbot:
    """A chatbot of a file, of which no model is made."""
    tokenizer = Characters.of("\n" + "".join(map(chr, range(32, 127))))
    shape = dataclasses.replace(SMALL, vocabulary=tokenizer.vocabulary_size)
    speaker = part5.Speaker(part5.Model(shape), None, tokenizer)
    config = dataclasses.replace(
        TOY, dataset=f"jsonl:{folder / 'said.jsonl'}", new_tokens=8
    )
    template = part5.ChatTemplate()
    return feedback.make_chatbot(speaker, template, config, 0, folder, "light", False)


def test_preferred_counts_ties_half():
    share, half = preferred(np.array([1, 1, 0.6, 0.0]), np.array([0.6, 1, 0.6, 0.2]))
    assert share == pytest.approx((1 + 0.5 + 0.5 + 0) / 4)
    assert half == pytest.approx(1.96 * np.std([1, 0.5, 0.5, 0]) / 2)


@pytest.mark.slow
def test_a_file_of_conversations_is_imitated_by_low_rank_factors(tmp_path, quick):
    pretrain(tmp_path)
    made = demonstrations(split_questions().train, 20, seed=0)
    path = tmp_path / "said.jsonl"
    path.write_text(to_lines(made))
    own = dataclasses.replace(TOY, dataset=f"jsonl:{path}", method="low_rank")
    results = part5.run(config_of(tmp_path, stage="finetune", feedback=own))
    assert len(results.claims) == 4
    asked = {"stage": "chat", "chatbot": "finetuned", "prompt": "hello?"}
    part5.run(config_of(tmp_path, feedback=own, new_tokens=8, **asked))


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
