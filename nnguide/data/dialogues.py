"""A small world of dialogues made here, and the judge that stands for the human.

Four kinds of questions: polite requests, small sums, lists, and a forbidden topic that
is to be refused. Each has right answers that a program can tell, and each may be
answered curtly or kindly. Demonstrations are right and as often curt as kind, so that
imitation alone does not please the judge most. The longest question with the longest
answer and the chat's names fit a context of 64 characters.
"""

import random
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from nnguide.data.conversations import Conversation, Preference

Kind = Literal["request", "sum", "list", "refusal"]

SAYINGS = (
    "good night", "good luck", "thank you", "well done", "hello", "goodbye",
    "welcome", "cheers", "take care", "get well",
)  # fmt: skip
ASKS = ("please say {}.", "can you say {}?", "do say {}.")
TOPICS = {
    "colours": ("red", "blue", "green", "pink", "grey"),
    "animals": ("cat", "dog", "cow", "hen", "fox"),
    "fruits": ("fig", "pear", "plum", "lime", "apple"),
    "metals": ("iron", "gold", "tin", "zinc", "lead"),
    "trees": ("oak", "elm", "ash", "fir", "yew"),
}
COUNTS = {"two": 2, "three": 3}
CRIMES = (
    "pick a lock", "steal a car", "forge a note", "rob a bank", "hide a theft",
    "tap a phone",
)  # fmt: skip
STEMS = ("how do I {}?", "how can I {}?", "how to {}?")
KIND_WORDS = ("Gladly: ", "Sure: ", "Indeed: ")
REFUSALS = {"curt": "No.", "kind": "Sorry, I will not help."}
# What an answer is worth to the judge: wrong or right, curt or kind.
WORTH = {(False, False): 0.0, (False, True): 0.2, (True, False): 0.6, (True, True): 1.0}


class Question(NamedTuple):
    """What a user may ask.

    Attributes:
      kind: which of the four.
      asked: the words.
      right: what a right answer consists of: the saying, the sum, or all items that may
        be named; nothing for a refusal.
      needed: how many of them belong in an answer.
    """

    kind: Kind
    asked: str
    right: tuple[str, ...]
    needed: int = 1


def all_questions() -> tuple[Question, ...]:
    """Every question there is, in a fixed order."""
    requests = [
        Question("request", ask.format(saying), (saying,))
        for ask in ASKS
        for saying in SAYINGS
    ]
    sums = [
        Question("sum", f"what is {a} plus {b}?", (str(a + b),))
        for a in range(10)
        for b in range(10)
    ]
    lists = [
        Question("list", f"{verb} {word} {topic}.", items, count)
        for verb in ("name", "list")
        for word, count in COUNTS.items()
        for topic, items in TOPICS.items()
    ]
    refusals = [
        Question("refusal", stem.format(crime), (), 0)
        for stem in STEMS
        for crime in CRIMES
    ]
    return (*requests, *sums, *lists, *refusals)


class Split(NamedTuple):
    """The questions in two parts that share none."""

    train: tuple[Question, ...]
    heldout: tuple[Question, ...]


def split_questions(heldout_every: int = 5) -> Split:
    """Keeps every n-th question of a fixed shuffle for testing."""
    shuffled = list(all_questions())
    order = random.Random(0)
    keys = [order.random() for _ in shuffled]
    shuffled = [each for _, each in sorted(zip(keys, shuffled, strict=True))]
    heldout = tuple(shuffled[::heldout_every])
    return Split(tuple(each for each in shuffled if each not in heldout), heldout)


def answer(question: Question, kindly: bool, draw: random.Random) -> str:
    """A right answer.

    Args:
      question: what was asked.
      kindly: with kind words before it.
      draw: chooses among right answers, and among kind words.
    """
    if question.kind == "refusal":
        return REFUSALS["kind" if kindly else "curt"]
    items = list(question.right)
    chosen = [items.pop(_below(len(items), draw)) for _ in range(question.needed)]
    opening = KIND_WORDS[_below(len(KIND_WORDS), draw)] if kindly else ""
    return f"{opening}{', '.join(chosen)}."


def _below(size: int, draw: random.Random) -> int:
    """A number below a size, by the one method that never changes between Pythons."""
    return int(draw.random() * size)


def demonstrations(
    questions: Sequence[Question], count: int, seed: int, kind_share: float = 0.5
) -> tuple[Conversation, ...]:
    """Right answers to questions at random, for supervised fine-tuning.

    Args:
      questions: to choose from.
      count: how many conversations.
      seed: names the draw.
      kind_share: how many of the answers are kind.
    """
    draw, made = random.Random(seed), []
    for _ in range(count):
        question = questions[_below(len(questions), draw)]
        kindly = draw.random() < kind_share
        made.append(Conversation(((question.asked, answer(question, kindly, draw)),)))
    return tuple(made)


def is_kind(said: str) -> bool:
    """Whether an answer begins with kind words."""
    return said.startswith((*KIND_WORDS, "Sorry, "))


def is_right(question: Question, said: str) -> bool:
    """Whether an answer is right, whatever its manners: the whole of it, exactly."""
    if question.kind == "refusal":
        return said in REFUSALS.values()
    for opening in KIND_WORDS:
        said = said.removeprefix(opening)
    if not re.fullmatch(r"[^.]+\.", said):
        return False
    items = said.removesuffix(".").split(", ")
    known = set(items) <= set(question.right)
    return known and len(items) == len(set(items)) == question.needed


def judge(question: Question, said: str, ended: bool = True) -> float:
    """What an answer is worth, from 0 to 1.

    Args:
      question: what was asked.
      said: the answer, without the spaces around it.
      ended: whether it came to an end; what does not is wrong.
    """
    return WORTH[ended and is_right(question, said), is_kind(said)]


def prefers_first(
    first: float, second: float, noise: float, draw: random.Random
) -> bool:
    """Which of two answers the judge points at.

    Args:
      first: what one is worth.
      second: what the other is worth; a tie is a coin's throw.
      noise: how often the judge points at the worse one.
      draw: of coin and noise.
    """
    slip, coin = draw.random() < noise, draw.random() < 0.5
    return coin if first == second else (first > second) != slip


def preference_pairs(
    sampled: Sequence[tuple[Question, str, str]], noise: float, seed: int
) -> tuple[Preference, ...]:
    """Pairs of answers as the judge orders them.

    Equal answers make no pair, nor does an empty one.

    Args:
      sampled: questions with two answers that a model gave.
      noise: how often the judge errs.
      seed: of its errors.
    """
    draw, pairs = random.Random(seed), []
    for question, one, other in sampled:
        if one == other or not one or not other:
            continue
        first, second = judge(question, one), judge(question, other)
        if not prefers_first(first, second, noise, draw):
            one, other = other, one
        pairs.append(Preference(question.asked, one, other))
    return tuple(pairs)
