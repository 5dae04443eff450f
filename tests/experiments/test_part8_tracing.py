"""Part 8's small GPT that knows facts: its study, its edits and its claims."""

import numpy as np
import pytest
from PIL import Image

from experiments.part8 import editing, tracing
from experiments.part8.setting import Setting
from experiments.part8.tracing_claims import (
    ATTENTION,
    LAST_NAME,
    LAST_TOKEN,
    MLP,
    STATE,
    Found,
    claims,
)
from nnguide.config import InputError
from nnguide.facts.people import draw_people

TOY = tracing.Config(people=400, steps=50, prompts=10, samples=1, edits=2)
PICTURES = (
    "facts_tracing", "facts_without_asides_tracing", "edit_scores", "edits_and_effects",
)  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"people": 100}, "--tracing.people=100: give 400 or more"),
        ({"people": 2000}, "--tracing.people=2000: give 1560 or fewer"),
        ({"steps": 60}, "--tracing.steps=60: give a multiple of 50"),
        ({"edits": 1001}, "--tracing.edits=1001: give --tracing.people=1000 or fewer"),
        ({"samples": 0}, "--tracing.samples=0: give 1 or more"),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        tracing.Config(**fields)


@pytest.mark.slow  # two trainings take their time to compile
def test_a_toy_study_claims_nothing_unexpected_and_draws(tmp_path):
    measured, figures = tracing.study(TOY, Setting(0, tmp_path, "light"))
    assert len({claim.id for claim in measured}) == len(measured)
    assert not [claim.id for claim in measured if claim.as_expected is False]
    assert figures == [f"figures/{picture}.png" for picture in PICTURES]
    for figure in figures:
        with Image.open(tmp_path / figure) as picture:
            assert picture.width == 2400
        assert np.load((tmp_path / figure).with_suffix(".npz")).files


@pytest.mark.smoke
def test_edits_ask_for_the_new_answer_and_tests_for_what_each_is_about():
    people = draw_people(400, 0)
    edits = editing.draw_edits(people, 6, 0)
    names, answers = np.asarray(people.names), np.asarray(people.answers)
    new = np.asarray(edits.learned.answers)
    assert (new == new[:, :1]).all()
    efficacy, paraphrase, neighbourhood, other_facts = edits.tests
    for again in (efficacy, paraphrase):
        assert (np.asarray(again.answers) == new[:, :1]).all()
    for edit in range(6):
        subject = _names(edits.learned, edit)[0]
        assert (_names(efficacy, edit) == subject).all()
        assert (_names(other_facts, edit) == subject).all()
        near = _names(neighbourhood, edit)
        assert ((near == subject).sum(axis=1) == 1).all()  # one shared name
        (person,) = np.flatnonzero((names == subject).all(axis=1))
        assert new[edit, 0] not in answers[person]
        others = np.asarray(other_facts.answers)[edit]
        assert set(others) < set(answers[person])
        assert len(set(others)) == 2


def _names(prompts, edit: int) -> np.ndarray:
    tokens, places = np.asarray(prompts.tokens[edit]), np.asarray(prompts.places[edit])
    return np.take_along_axis(tokens, places[:, 1:3], axis=1)


def test_the_score_is_the_harmonic_mean():
    assert editing.together(np.array([1.0, 1.0, 0.5])) == pytest.approx(0.75)
    assert editing.together(np.array([1.0, 1.0, 0.0])) < 1e-6


def test_claims_tell_the_guide_s_story_from_its_opposite():
    """The same numbers with the last name's and the first name's vectors exchanged."""
    shares = np.full((3, 3, 5), 0.01)
    shares[:, :, 0] = 0
    shares[STATE, 0, LAST_NAME], shares[MLP, 0, LAST_NAME] = 0.6, 0.2
    shares[ATTENTION, 0, LAST_NAME], shares[ATTENTION, 1, LAST_TOKEN] = 0.1, 0.5
    scores = np.ones((3, 3, 4))
    scores[0, 0, 3], scores[2, 0, 2] = 0.4, 0.5
    found = Found(1.0, 0.9, shares)
    swapped = shares.copy()
    swapped[:, :, [LAST_NAME - 1, LAST_NAME]] = shares[:, :, [LAST_NAME, LAST_NAME - 1]]
    without = Found(1.0, 0.9, shares * 0.4)

    def verdicts(found: Found) -> dict[str, str]:
        each = claims(found, without, scores, True)
        return {claim.id.removeprefix("8.facts_"): claim.verdict for claim in each}

    held = verdicts(found)
    assert held["early_mlp"] == held["late_attention"] == held["edit_score"] == "holds"
    assert held["edit_where"] == held["edit_other_facts"] == "false"
    assert held["without_asides"] == held["one_vector"] == "false"
    assert verdicts(Found(1.0, 0.9, swapped))["early_mlp"] == "false"
