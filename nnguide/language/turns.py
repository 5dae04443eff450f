"""Conversations as tokens, and which of them the assistant says.

A conversation is the document that `ChatTemplate` writes. The assistant's turn is what
follows its name: its words and the line feed that ends them. Only those tokens are what
a chatbot is trained to say. An answer is one line, so a token with a line feed stops
it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32

from nnguide.config import InputError
from nnguide.language.chat import ChatTemplate, Turn
from nnguide.tokenizer.protocol import Tokenizer


class Marked(NamedTuple):
    """A conversation as tokens.

    Attributes:
      tokens: of the document.
      assistant: which of them are the assistant's.
    """

    tokens: Int32[np.ndarray, "N"]
    assistant: Bool[np.ndarray, "N"]


class Rows(NamedTuple):
    """Conversations of different lengths as one array, padded at their ends.

    Attributes:
      tokens: padding is 0; no token before it can see it.
      counts: 1 where the token *after* a place is the assistant's, T being N - 1.
    """

    tokens: Int32[np.ndarray, "B N"]
    counts: Float32[np.ndarray, "B T"]


def marked(
    template: ChatTemplate, tokenizer: Tokenizer, turns: Sequence[Turn]
) -> Marked:
    """Encodes a conversation piece by piece, so that no token belongs to both sides.

    Args:
      template: the document it is; its opening counts as the user's.
      tokenizer: of the model.
      turns: what was asked and answered.

    Raises:
      InputError: the tokenizer cannot express a character.
    """
    tokens, assistant = [], []
    for number, turn in enumerate(turns):
        opening = template if number == 0 else _without_opening(template)
        for text, its_own in (
            (opening.document((), turn.user), False),
            (f" {turn.answer}\n", True),
        ):
            piece = tokenizer.encode(text)
            tokens.append(piece)
            assistant.append(np.full(len(piece), its_own))
    return Marked(np.concatenate(tokens), np.concatenate(assistant))


def _without_opening(template: ChatTemplate) -> ChatTemplate:
    return ChatTemplate("", template.user, template.assistant)


def prompt_tokens(
    template: ChatTemplate, tokenizer: Tokenizer, asked: str
) -> list[int]:
    """The tokens up to where the assistant begins to answer a first question."""
    return tokenizer.encode(template.document((), asked)).tolist()


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Puts what a conversation is called before what is wrong with it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def as_rows(
    conversations: Sequence[Marked], length: int, names: Sequence[str] = ()
) -> Rows:
    """Pads conversations to one length.

    Args:
      conversations: one or more.
      length: N, the model's context at most.
      names: what each is called in errors, for instance its file and line.

    Raises:
      InputError: a conversation is longer.
    """
    tokens = np.zeros((len(conversations), length), np.int32)
    counts = np.zeros((len(conversations), length - 1), np.float32)
    for number, (each, own) in enumerate(conversations):
        if len(each) > length:
            name = names[number] if names else f"conversation {number + 1}"
            raise InputError(
                f"{name}: its {len(each)} tokens are more than the "
                f"model's context, {length}; shorten it, or use a model with a larger "
                "--model.context."
            )
        tokens[number, : len(each)] = each
        counts[number, : len(each) - 1] = own[1:]
    return Rows(tokens, counts)


def pair_rows(
    template: ChatTemplate,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[str, str, str]],
    length: int,
    names: Sequence[str] = (),
) -> Rows:
    """Preference pairs as rows (B, 2, N): the chosen answer, then the other one.

    Args:
      template: the document of a conversation.
      tokenizer: of the model.
      pairs: prompt, chosen, rejected.
      length: N.
      names: what each is called in errors.

    Raises:
      InputError: an answer is too long, or cannot be expressed.
    """
    names = names or [f"pair {number + 1}" for number in range(len(pairs))]
    each = []
    for name, (prompt, *answers) in zip(names, pairs, strict=True):
        with naming(name):
            each += [marked(template, tokenizer, [Turn(prompt, a)]) for a in answers]
    rows = as_rows(each, length, [name for name in names for _ in range(2)])
    return Rows(*(leaf.reshape(len(pairs), 2, -1) for leaf in rows))


def stop_tokens(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The tokens that end an answer: those with a line feed.

    Raises:
      InputError: there is none.
    """
    found = tuple(
        token
        for token in range(tokenizer.vocabulary_size)
        if b"\n" in tokenizer.token_bytes(token)
    )
    if not found:
        raise InputError(
            "the tokenizer has no token with a line feed, which ends an answer; use "
            "the tokenizer bytes, or a text with line feeds."
        )
    return found
