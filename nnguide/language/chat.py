r"""A chatbot: a document in which a user and an AI talk, and predicting its next word.

The user's words are put into the document, the model goes on with it, and what it
writes up to the next "User:" is what the AI says. A model that was only pre-trained
goes on with any document, so it plays the user's part too unless it is stopped.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from nnguide.array_types import Key, Params
from nnguide.config import InputError
from nnguide.language.generation import Generator, pad_prompts
from nnguide.tokenizer.protocol import Tokenizer


class Turn(NamedTuple):
    """What the user said, and what the AI answered."""

    user: str
    answer: str


class Answer(NamedTuple):
    """What the AI says.

    Attributes:
      text: up to the boundary, without the spaces around it.
      ended: whether the model came to the boundary (or a stop token) by itself.
      tokens: how many it wrote for it.
    """

    text: str
    ended: bool
    tokens: int


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """The document a conversation is.

    Attributes:
      opening: what it begins with, and what sort of document it is.
      user: what stands before the user's words.
      assistant: what stands before the AI's.
    """

    opening: str = "A user asks, and an AI that knows a lot answers with care.\n\n"
    user: str = "User:"
    assistant: str = "AI:"

    def __post_init__(self) -> None:
        for name in ("user", "assistant"):
            if not getattr(self, name).strip():
                raise InputError(
                    f"--chat.{name}: it is empty, so nothing would tell the two "
                    "apart. Give a name and a colon."
                )

    @property
    def boundary(self) -> str:
        """Where an answer ends, for there the user's next words begin."""
        return f"\n{self.user}"

    def document(self, turns: Sequence[Turn], asked: str) -> str:
        """The conversation so far, to be completed by the answer to what was asked."""
        said = "".join(
            f"{self.user} {turn.user}\n{self.assistant} {turn.answer}\n"
            for turn in turns
        )
        return f"{self.opening}{said}{self.user} {asked}\n{self.assistant}"

    def cut(self, completion: str) -> tuple[str, bool]:
        """The answer in what the model wrote, and whether it came to the boundary."""
        answer, boundary, _ = completion.partition(self.boundary)
        return answer.strip(), bool(boundary)

    def check(self, tokenizer: Tokenizer) -> None:
        """Checks that the tokenizer has the template's characters.

        Raises:
          InputError: it has not.
        """
        for field in dataclasses.fields(self):
            try:
                tokenizer.encode(getattr(self, field.name))
            except InputError as error:
                raise InputError(f"--chat.{field.name}: {error}") from None


def check_typed(text: str, tokenizer: Tokenizer) -> None:
    """Checks what a user typed; the conversation goes on without it.

    Raises:
      InputError: nothing was typed, or something that the tokenizer does not have.
    """
    if not text.strip():
        raise InputError("you typed nothing: say something, or end the chat.")
    tokenizer.encode(text)


def speaker(
    generator: Generator, params: Params, context: int, vocabulary: int
) -> Callable[[Sequence[int], Key], list[int]]:
    """A generator as a function of one row of ids: those that follow them.

    Args:
      generator: writes as many tokens as an answer is looked at piece by piece.
      params: of the transformer.
      context: tokens it sees; it reads that many of the last ones.
      vocabulary: ids it knows.
    """

    def following(ids: Sequence[int], key: Key) -> list[int]:
        prompts, lengths = pad_prompts([ids[-context:]], context, vocabulary)
        generated = generator(params, prompts, lengths, key)
        return np.asarray(generated.tokens[0, : int(generated.lengths[0])]).tolist()

    return following


def complete_turn(
    following: Callable[[Sequence[int], Key], list[int]],
    tokenizer: Tokenizer,
    template: ChatTemplate,
    document: str,
    key: Key,
    longest: int = 200,
    stop_tokens: tuple[int, ...] = (),
) -> Answer:
    """Goes on with a conversation until the user's turn begins.

    The boundary may be many tokens, or end inside of one, so the text is looked at
    after every piece that is written.

    Args:
      following: gives the next few token ids after given ones; see `speaker`.
      tokenizer: of the model.
      template: where an answer ends.
      document: what `template.document` gives.
      key: of all pieces.
      longest: tokens after which the answer is broken off.
      stop_tokens: ids that end it too.
    """
    ids = [int(token) for token in tokenizer.encode(document)]
    new: list[int] = []
    while len(new) < longest:
        piece = following(ids + new, jax.random.fold_in(key, len(new)))
        new += piece[: longest - len(new)]
        stop = next((n for n, token in enumerate(new) if token in stop_tokens), None)
        text, ended = template.cut(tokenizer.decode(new[:stop]))
        if ended or stop is not None:
            return Answer(text, True, len(new) if stop is None else stop + 1)
    return Answer(template.cut(tokenizer.decode(new))[0], False, len(new))
