"""Turn masks: what the assistant says, and nothing else, is what counts."""

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.language import turns
from nnguide.language.chat import ChatTemplate, Turn
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.words import Words

TEMPLATE = ChatTemplate(opening="Talk.\n")
TURNS = [Turn("Hi", "Hello!"), Turn("Sum?", "7")]


def test_the_tokens_are_the_document_and_the_mask_is_the_answers():
    tokenizer = Bytes()
    tokens, assistant = turns.marked(TEMPLATE, tokenizer, TURNS)
    said = TEMPLATE.document(TURNS, "").removesuffix("User: \nAI:")
    assert tokenizer.decode(tokens) == said
    assert tokenizer.decode(tokens[assistant]) == " Hello!\n 7\n"
    prompt = turns.prompt_tokens(TEMPLATE, tokenizer, "Hi")
    assert tokens[: len(prompt)].tolist() == prompt
    assert not assistant[: len(prompt)].any()


def test_rows_count_the_place_before_each_token_of_an_answer():
    each = turns.marked(TEMPLATE, Bytes(), TURNS)
    rows = turns.as_rows([each, turns.marked(TEMPLATE, Bytes(), TURNS[:1])], 64)
    assert rows.tokens.shape == (2, 64)
    assert rows.counts.shape == (2, 63)
    predicted = rows.tokens[:, 1:][rows.counts > 0]
    assert Bytes().decode(predicted) == " Hello!\n 7\n Hello!\n"
    assert (rows.tokens[1, len(each.tokens) :] == 0).all()


def test_pairs_share_the_prompt():
    rows = turns.pair_rows(TEMPLATE, Bytes(), [("Hi", "Hello!", "Go")], 40)
    assert rows.tokens.shape == (1, 2, 40)
    chosen, rejected = (
        Bytes().decode(rows.tokens[0, n, 1:][rows.counts[0, n] > 0]) for n in (0, 1)
    )
    assert (chosen, rejected) == (" Hello!\n", " Go\n")
    prompt = len(turns.prompt_tokens(TEMPLATE, Bytes(), "Hi"))
    assert np.array_equal(rows.tokens[0, 0, :prompt], rows.tokens[0, 1, :prompt])


def test_a_conversation_past_the_context_is_refused():
    with pytest.raises(InputError, match=r"conversation 1: .* context, 20; shorten"):
        turns.as_rows([turns.marked(TEMPLATE, Bytes(), TURNS)], 20)


def test_stop_tokens_are_those_with_a_line_feed():
    assert turns.stop_tokens(Bytes()) == (10,)
    assert turns.stop_tokens(Characters("\n ab")) == (0,)
    with pytest.raises(InputError, match="no token with a line feed"):
        turns.stop_tokens(Words("a b"))
