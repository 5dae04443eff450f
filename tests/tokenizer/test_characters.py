"""Characters are numbered in order of their code points, and nothing else passes."""

import pickle
import random
import time

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.protocol import Tokenizer


@pytest.mark.smoke
def test_encoding_is_the_place_in_the_alphabet():
    tokenizer = Characters.of("hello world")
    assert tokenizer.alphabet == " dehlorw"
    assert tokenizer.vocabulary_size == 8
    assert tokenizer.encode("hold").tolist() == [3, 5, 4, 1]
    assert tokenizer.encode("").tolist() == []
    assert isinstance(tokenizer, Tokenizer)


def test_decoding_undoes_encoding_of_any_characters():
    draw = random.Random(0)
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    text = "".join(map(chr, draw.choices(points, k=20_000))) + "\0\U0010ffff"
    tokenizer = Characters.of(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode([int(token) for token in tokenizer.encode("\0")]) == "\0"


def test_every_character_of_the_alphabet_has_its_own_number():
    tokenizer = Characters.of("zebra \u2013 Ω")
    numbers = tokenizer.encode(tokenizer.alphabet)
    assert numbers.tolist() == list(range(tokenizer.vocabulary_size))
    assert numbers.dtype == np.int32


def test_a_token_is_its_character():
    tokenizer = Characters.of("aΩ")
    assert [tokenizer.token_text(token) for token in (0, 1)] == ["a", "Ω"]
    assert [tokenizer.token_bytes(token) for token in (0, 1)] == [b"a", b"\xce\xa9"]
    with pytest.raises(InputError, match="token 2"):
        tokenizer.token_text(2)


@pytest.mark.parametrize("stranger", ["!", "é", "\U0001f600", "A"])
def test_an_unknown_character_is_named_with_its_place(stranger):
    tokenizer = Characters.of("abc")
    with pytest.raises(
        InputError, match=r"^character .* at position 2: [^\n]*$"
    ) as got:
        tokenizer.encode("ab" + stranger + "?")
    assert repr(stranger) in str(got.value)


@pytest.mark.parametrize("token", [-1, 3])
def test_a_number_outside_the_alphabet_is_named(token):
    with pytest.raises(InputError, match=f"token {token}: this tokenizer has 0 to 2"):
        Characters.of("abc").decode([0, token])


@pytest.mark.parametrize("alphabet", ["", "ba", "aab"])
def test_an_alphabet_holds_every_character_once_in_order(alphabet):
    with pytest.raises(InputError, match="sorted"):
        Characters(alphabet)


def test_tokenizers_pickle_and_compare_by_value():
    tokenizer = Characters.of("pickle")
    assert pickle.loads(pickle.dumps(tokenizer)) == tokenizer
    assert hash(Characters.of("elkcip")) == hash(tokenizer)


def test_a_million_characters_take_no_time():
    text = "To be, or not to be: that is the question\n" * 25_000
    tokenizer, started = Characters.of(text), time.perf_counter()
    tokenizer.encode(text)
    assert time.perf_counter() - started < 2  # 0.03 s on an idle machine
