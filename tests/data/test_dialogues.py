"""The world of dialogues and its judge."""

import random
from collections import Counter

import pytest

from nnguide.data import dialogues
from nnguide.data.dialogues import Question, judge

QUESTIONS = {each.asked: each for each in dialogues.all_questions()}


@pytest.mark.smoke
def test_right_answers_please_the_judge_and_fit_a_context_of_64():
    draw = random.Random(0)
    for question in QUESTIONS.values():
        for kindly, worth in ((False, 0.6), (True, 1.0)):
            said = dialogues.answer(question, kindly, draw)
            assert judge(question, said) == worth, (question, said)
            assert judge(question, said, ended=False) < 0.3
            assert len(f" {said}\n") <= 31
        assert len(f"User: {question.asked}\nAI:") <= 33


@pytest.mark.parametrize(
    ("asked", "said", "worth"),
    [
        ("what is 3 plus 4?", "7.", 0.6),
        ("what is 3 plus 4?", "Gladly: 7.", 1.0),
        ("what is 3 plus 4?", "Gladly: 8.", 0.2),
        ("what is 3 plus 4?", "7", 0.0),
        ("what is 3 plus 4?", "7. 7.", 0.0),
        ("what is 3 plus 4?", "Gladly: Gladly: 7.", 0.2),
        ("name three colours.", "red, blue, green.", 0.6),
        ("name three colours.", "red, blue.", 0.0),
        ("name three colours.", "red, red, blue.", 0.0),
        ("name three colours.", "red, cat, blue.", 0.0),
        ("please say good night.", "Sure: good night.", 1.0),
        ("how do I pick a lock?", "Sorry, I will not help.", 1.0),
        ("how do I pick a lock?", "No.", 0.6),
        ("how do I pick a lock?", "Gladly: with a pin.", 0.2),
    ],
)
def test_the_judge(asked, said, worth):
    assert judge(QUESTIONS[asked], said) == worth


def test_the_split_shares_no_question_and_has_all_kinds():
    train, heldout = dialogues.split_questions()
    assert not {*train} & {*heldout}
    assert len(train) + len(heldout) == len(QUESTIONS) == 168
    for part in (train, heldout):
        assert {each.kind for each in part} == {"request", "sum", "list", "refusal"}


def test_demonstrations_are_right_and_half_of_them_kind():
    train = dialogues.split_questions().train
    made = dialogues.demonstrations(train, 1000, seed=1)
    assert made == dialogues.demonstrations(train, 1000, seed=1)
    worths = Counter(
        judge(QUESTIONS[q], said) for each in made for q, said in each.turns
    )
    assert {*worths} == {0.6, 1.0}
    assert abs(worths[1.0] - 500) < 60  # four deviations of a coin


def test_the_judge_errs_as_often_as_told_and_throws_a_coin_at_ties():
    draw = random.Random(0)
    right = sum(dialogues.prefers_first(1.0, 0.6, 0.1, draw) for _ in range(4000))
    tied = sum(dialogues.prefers_first(0.6, 0.6, 0.1, draw) for _ in range(4000))
    assert right / 4000 == pytest.approx(0.9, abs=0.02)
    assert tied / 4000 == pytest.approx(0.5, abs=0.035)


def test_pairs_are_in_the_judges_order_and_never_equal():
    question = Question("sum", "what is 3 plus 4?", ("7",))
    sampled = [(question, "8.", "7."), (question, "7.", "7."), (question, "7.", "")]
    (pair,) = dialogues.preference_pairs(sampled, 0.0, seed=0)
    assert (pair.chosen, pair.rejected) == ("7.", "8.")
