"""Words of a closed list, with single spaces between, and nothing else."""

import pickle

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.tokenizer.words import Words

SENTENCE = "a fluffy blue creature roamed the verdant forest"


@pytest.mark.smoke
def test_encoding_is_the_place_in_the_list():
    tokenizer = Words(SENTENCE)
    assert tokenizer.vocabulary_size == 8
    assert tokenizer.encode("blue forest").tolist() == [2, 7]
    assert tokenizer.encode("").tolist() == []
    assert tokenizer.encode("a").dtype == np.int32
    assert [tokenizer.token_text(token) for token in (2, 7)] == ["blue", "forest"]
    assert isinstance(tokenizer, Tokenizer)


def test_words_of_a_text_are_listed_once_in_order():
    assert Words.of("the mole and\nthe  spy") == Words("and mole spy the")


def test_decoding_undoes_encoding():
    tokenizer = Words(SENTENCE)
    for text in ("", "creature", "the verdant blue blue a"):
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        parts = b"".join(map(tokenizer.token_bytes, tokens))
        assert parts.decode().removesuffix(" ") == text


@pytest.mark.parametrize(
    ("text", "word"), [("a red forest", "'red'"), ("a  forest", "''"), ("a A", "'A'")]
)
def test_an_unknown_word_is_named_with_its_place(text, word):
    with pytest.raises(InputError, match=r"^word .* at place \d: [^\n]*$") as got:
        Words(SENTENCE).encode(text)
    assert str(got.value).startswith(f"word {word} at place ")


@pytest.mark.parametrize("token", [-1, 8])
def test_a_number_outside_the_list_is_named(token):
    with pytest.raises(InputError, match=f"token {token}: this tokenizer has 0 to 7"):
        Words(SENTENCE).decode([0, token])


@pytest.mark.parametrize("words", ["", "a  b", " a", "a b a"])
def test_a_list_holds_every_word_once(words):
    with pytest.raises(InputError, match="every word once"):
        Words(words)


def test_tokenizers_pickle_and_compare_by_value():
    tokenizer = Words(SENTENCE)
    assert pickle.loads(pickle.dumps(tokenizer)) == tokenizer
    assert hash(Words(SENTENCE)) == hash(tokenizer)
