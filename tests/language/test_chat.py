"""A conversation is one document, cut where the user's turn begins."""

import jax
import pytest

from nnguide.config import InputError
from nnguide.language.chat import ChatTemplate, Turn, check_typed, complete_turn
from nnguide.tokenizer.byte_values import Bytes

TEMPLATE = ChatTemplate(opening="Two talk.\n")


def saying(text, piece=7):
    """A model that goes on with a given text, some bytes at a time."""
    written = []

    def following(ids, key):
        start = len(written)
        written.extend(text.encode()[start : start + piece])
        return written[start:]

    return following


def test_the_document_holds_all_turns_and_ends_where_the_answer_begins():
    document = TEMPLATE.document([Turn("Hi", "Hello")], "How are you?")
    assert document == "Two talk.\nUser: Hi\nAI: Hello\nUser: How are you?\nAI:"


@pytest.mark.smoke
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_an_answer_ends_at_the_boundary_wherever_pieces_end(piece):
    following = saying(" Fine.\nAnd you?\nUser: me too", piece)
    document = TEMPLATE.document([], "How are you?")
    answer = complete_turn(following, Bytes(), TEMPLATE, document, jax.random.key(0))
    assert answer.text == "Fine.\nAnd you?"
    assert answer.ended


def test_an_answer_without_an_end_is_broken_off():
    following = saying("la " * 100, 9)
    document = TEMPLATE.document([], "Sing")
    answer = complete_turn(
        following, Bytes(), TEMPLATE, document, jax.random.key(0), longest=20
    )
    assert not answer.ended
    assert answer.tokens == 20
    assert answer.text == ("la " * 7)[:20].strip()


def test_a_stop_token_ends_an_answer_too():
    following = saying("Yes. No.", 8)
    document = TEMPLATE.document([], "Well?")
    answer = complete_turn(
        following,
        Bytes(),
        TEMPLATE,
        document,
        jax.random.key(0),
        stop_tokens=(ord("."),),
    )
    assert (answer.text, answer.ended) == ("Yes", True)


def test_what_cannot_be_said_is_refused():
    with pytest.raises(InputError, match="typed nothing"):
        check_typed("  ", Bytes())
    with pytest.raises(InputError, match=r"--chat\.user: it is empty"):
        ChatTemplate(user=" ")
