"""Synthetic people: names of two tokens, and what the text says of them.

"today Michael Jordan plays mainly basketball": a person is an ordered pair of names
and has a sport, a club and a city, drawn by lot. Every name is many people's first and
many people's last name, so that neither tells anything alone and Jordan Michael is
somebody else: an answer takes both names, the guide's AND.

Sources: 3Blue1Brown, "How might LLMs store facts"; that a fact must come in several
wordings to be known: Allen-Zhu and Li, arXiv 2309.14316.
"""

import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from nnguide.array_types import Array, Batch, Key
from nnguide.facts.tracing import Prompts

_NAMES = """
    Michael Jordan Alexis Phelps Taylor Parker Carter Grant Scott James Kelly Morgan
    Casey Dana Robin Blake Quinn Reese Avery Logan Ryan Dylan Tyler Austin Lewis Ellis
    Glenn Craig Dean Lee Ray Kim Jean Paul Henry Martin Thomas Oliver Dale Vernon"""
_ANSWERS = {
    "sport": """
        basketball tennis football golf hockey rugby boxing fencing judo rowing sailing
        skiing cricket baseball archery cycling""",
    "club": """
        Bulls Hawks Lions Tigers Bears Wolves Eagles Sharks Kings Rangers Rockets Comets
        Giants Knights Pirates Falcons""",
    "city": """
        Chicago Boston Paris London Rome Berlin Madrid Vienna Oslo Cairo Tokyo Lima
        Delhi Sydney Nairobi Toronto""",
}
_WORDINGS = {
    "sport": ("plays mainly", "is good at", "competes in"),
    "club": ("signed with", "is captain of", "appears for"),
    "city": ("lives in", "has moved to", "dwells near"),
}
_FILLERS = "yesterday reportedly indeed today often however now still"

NAMES = len(_NAMES.split())
MOST_PEOPLE = NAMES * (NAMES - 1)
RELATIONS = tuple(_ANSWERS)
ANSWERS = len(_ANSWERS["sport"].split())  # of each relation
WORDINGS = len(_WORDINGS["sport"])  # of each relation
LENGTH = 8  # tokens of a sentence: fillers, two names, two or three words, the answer
ROLES = ("token before", "first name", "last name", "relation", "last token")
_LONGEST = 3  # words of a relation
_TEXTS = [text.split() for texts in _WORDINGS.values() for text in texts]

# token id -> word: names, answers, fillers, words of relations
VOCABULARY = tuple(
    dict.fromkeys(
        " ".join((_NAMES, *_ANSWERS.values(), _FILLERS)).split()
        + list(itertools.chain(*_TEXTS))
    )
)
_FIRST_ANSWER = NAMES
_FIRST_FILLER = NAMES + len(RELATIONS) * ANSWERS
_FILLER_COUNT = len(_FILLERS.split())
_WORDS = np.array(
    [[VOCABULARY.index(word) for word in (text * 2)[:_LONGEST]] for text in _TEXTS]
).reshape(len(RELATIONS), WORDINGS, _LONGEST)
_COUNTS = np.array([len(text) for text in _TEXTS]).reshape(len(RELATIONS), WORDINGS)


class People(NamedTuple):
    """Who there is, and what is true of each.

    Attributes:
      names: token ids of the first and the last name.
      answers: the token id that answers each relation.
    """

    names: Int[Array, "people 2"]
    answers: Int[Array, "people relations"]


class Question(NamedTuple):
    """What a sentence tells, and how.

    Attributes:
      person: whom it is about, a row of `People`.
      relation: what it tells, an index of RELATIONS.
      wording: in which words, 0 .. WORDINGS - 1.
      aside: the relation whose answer stands right after the name, as in "Michael
        Jordan, Chicago, plays ..."; -1 where none does.
      key: of the fillers.
    """

    person: Int[Array, ""]
    relation: Int[Array, ""]
    wording: Int[Array, ""]
    aside: Int[Array, ""]
    key: Key


class Sentence(NamedTuple):
    """A sentence as tokens, and where in it things are.

    Attributes:
      tokens: fillers before and after fill it up.
      places: of each of ROLES; the answer comes right after the last of them.
    """

    tokens: Int[Array, "T"]
    places: Int[Array, "roles"]


def draw_people(count: int, seed: int) -> People:
    """People with different names; person 0 is Michael Jordan, who plays basketball.

    Args:
      count: of people, at most MOST_PEOPLE.
      seed: of names and answers.
    """
    rng = np.random.default_rng(seed)
    # ordered pairs of two different names; pair 0 is the first two of the list
    pairs = np.append(0, 1 + rng.permutation(MOST_PEOPLE - 1)[: count - 1])
    first, step = pairs // (NAMES - 1), 1 + pairs % (NAMES - 1)
    answers = rng.integers(0, ANSWERS, (count, len(RELATIONS)))
    answers[0] = 0
    answers += _FIRST_ANSWER + ANSWERS * np.arange(len(RELATIONS))[None]
    names = np.stack([first, (first + step) % NAMES], axis=1)
    return People(jnp.asarray(names), jnp.asarray(answers))


def write(people: People, question: Question) -> Sentence:
    """Writes one sentence; may be vmapped over questions."""
    place_key, filler_key = jax.random.split(question.key)
    words = jnp.asarray(_WORDS)[question.relation, question.wording]
    count = jnp.asarray(_COUNTS)[question.relation, question.wording]
    names, answers = people.names[question.person], people.answers[question.person]
    has_aside = question.aside >= 0
    said = jnp.where(
        has_aside,
        jnp.concatenate([names, answers[question.aside][None], words]),
        jnp.concatenate([names, words, words[:1]]),  # one too many, to be as long
    )
    relation = 2 + has_aside  # places count from the first name here
    answer = relation + count
    first = jax.random.randint(place_key, (), 1, LENGTH - answer, jnp.int32)
    fillers = jax.random.randint(filler_key, (LENGTH,), 0, _FILLER_COUNT, jnp.int32)
    place = jnp.arange(LENGTH) - first
    tokens = jnp.where(
        (place >= 0) & (place < answer),
        said[jnp.clip(place, 0, len(said) - 1)],
        _FIRST_FILLER + fillers,
    )
    tokens = jnp.where(place == answer, answers[question.relation], tokens)
    zero = jnp.zeros_like(first)
    places = jnp.stack([zero - 1, zero, zero + 1, relation, answer - 1])
    return Sentence(tokens, first + places)


def draw_question(people: int, key: Key) -> Question:
    """Any person, relation and wording, each as likely as the others, no aside."""
    person, relation, wording, fillers = jax.random.split(key, 4)
    return Question(
        jax.random.randint(person, (), 0, people, jnp.int32),
        jax.random.randint(relation, (), 0, len(RELATIONS), jnp.int32),
        jax.random.randint(wording, (), 0, WORDINGS, jnp.int32),
        jnp.array(-1),
        fillers,
    )


def example(people: People, aside: float, key: Key) -> Batch:
    """A sentence to learn from; only what it tells of the person counts.

    Args:
      people: all of them.
      aside: share of sentences with an aside, of any relation.
      key: of the question, and of the aside.
    """
    question_key, whether_key, which_key = jax.random.split(key, 3)
    question = draw_question(len(people.names), question_key)
    which = jax.random.randint(which_key, (), 0, len(RELATIONS), jnp.int32)
    which = jnp.where(jax.random.bernoulli(whether_key, aside), which, -1)
    sentence = write(people, question._replace(aside=which))
    place = jnp.arange(LENGTH - 1)
    last_name = (place == sentence.places[ROLES.index("last name")]) & (which >= 0)
    counts = (place == sentence.places[-1]) | last_name
    return {"tokens": sentence.tokens, "counts": counts.astype(jnp.float32)}


def ask(people: People, questions: Question) -> Prompts:
    """Sentences that end where the answer is due, with the true answers.

    Args:
      people: all of them.
      questions: with a batch axis.
    """
    sentences = jax.vmap(lambda question: write(people, question))(questions)
    true = people.answers[questions.person, questions.relation]
    return Prompts(sentences.tokens[:, :-1], sentences.places, true)


def every_question(people: int, key: Key) -> Question:
    """All people, relations and wordings, each once, with fillers from the key."""
    shape = (people, len(RELATIONS), WORDINGS)
    count = math.prod(shape)
    person, relation, wording = jnp.unravel_index(jnp.arange(count), shape)
    keys = jax.random.split(key, count)
    return Question(person, relation, wording, jnp.full_like(person, -1), keys)


def another_answer(answer: Int[Array, "*B"], step: Int[Array, "*B"]) -> Array:
    """The answer so many further among those to the same relation, around its end."""
    number = answer - _FIRST_ANSWER
    first = number // ANSWERS * ANSWERS
    return _FIRST_ANSWER + first + (number - first + step) % ANSWERS
