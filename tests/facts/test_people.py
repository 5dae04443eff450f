"""The synthetic people, and the sentences about them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts.people import (
    ANSWERS,
    LENGTH,
    MOST_PEOPLE,
    NAMES,
    RELATIONS,
    ROLES,
    VOCABULARY,
    WORDINGS,
    Question,
    another_answer,
    ask,
    draw_people,
    every_question,
    example,
    write,
)

PEOPLE = draw_people(1000, 0)


def sentence(person: int, relation: str, wording: int, aside: str = ""):
    told = RELATIONS.index(aside) if aside else -1
    question = Question(
        jnp.array(person),
        jnp.array(RELATIONS.index(relation)),
        jnp.array(wording),
        jnp.array(told),
        jax.random.key(3),
    )
    written = jax.jit(write)(PEOPLE, question)
    return [VOCABULARY[token] for token in written.tokens], written.places.tolist()


@pytest.mark.smoke
def test_michael_jordan_plays_basketball():
    words, places = sentence(0, "sport", 0)
    first = words.index("Michael")
    said = words[first : places[-1] + 2]
    assert said == ["Michael", "Jordan", "plays", "mainly", "basketball"]
    assert places == [first - 1, first, first + 1, first + 2, first + 3]
    assert len(words) == LENGTH


def test_an_aside_stands_right_after_the_name():
    words, places = sentence(0, "sport", 1, aside="city")
    first = words.index("Michael")
    assert words[first : first + 7] == [
        "Michael", "Jordan", "Chicago", "is", "good", "at", "basketball",
    ]  # fmt: skip
    assert places == [first - 1, first, first + 1, first + 3, first + 5]
    assert first == 1  # the longest sentence fills its row


def test_people_are_different_ordered_pairs_and_no_name_tells_an_answer():
    everybody = draw_people(MOST_PEOPLE, 1)
    pairs = {tuple(pair) for pair in np.asarray(everybody.names).tolist()}
    assert len(pairs) == MOST_PEOPLE == NAMES * (NAMES - 1)
    assert all((last, first) in pairs and first != last for first, last in pairs)
    for place in (0, 1):  # the best guess from one name alone
        right = 0
        for name in range(NAMES):
            own = np.asarray(everybody.answers)[everybody.names[:, place] == name, 0]
            right += np.bincount(own).max()
        assert right / MOST_PEOPLE < 0.2


def test_only_what_tells_of_the_person_counts():
    keys = jax.random.split(jax.random.key(0), 400)
    rows = jax.jit(jax.vmap(lambda key: example(PEOPLE, 0.5, key)))(keys)
    tokens, counts = np.asarray(rows["tokens"]), np.asarray(rows["counts"])
    told = tokens[:, 1:][counts == 1]
    assert ((told >= NAMES) & (told < NAMES + len(RELATIONS) * ANSWERS)).all()
    assert (counts.sum(1) == 2).mean() == pytest.approx(0.5, abs=0.08)


def test_every_question_is_asked_once_and_answered_truly():
    few = draw_people(5, 0)
    questions = every_question(5, jax.random.key(0))
    prompts = jax.jit(ask)(few, questions)
    assert len(prompts.answers) == 5 * len(RELATIONS) * WORDINGS
    asked = zip(*(np.asarray(q).tolist() for q in questions[:3]), strict=True)
    assert len(set(asked)) == len(prompts.answers)
    np.testing.assert_array_equal(
        prompts.answers, few.answers[questions.person, questions.relation]
    )
    subjects = np.take_along_axis(
        np.asarray(prompts.tokens), np.asarray(prompts.places), axis=1
    )[:, [ROLES.index("first name"), ROLES.index("last name")]]
    np.testing.assert_array_equal(subjects, few.names[questions.person])


def test_another_answer_stays_with_its_relation_and_comes_around():
    answer = jnp.array([NAMES + ANSWERS - 1, NAMES + ANSWERS])
    other = another_answer(answer, jnp.array([1, 2]))
    assert other.tolist() == [NAMES, NAMES + ANSWERS + 2]
