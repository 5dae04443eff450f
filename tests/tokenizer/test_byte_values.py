"""Bytes express every text, whatever it holds."""

import pickle
import random

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.protocol import ByteTokenizer


@pytest.mark.smoke
@pytest.mark.parametrize("text", ["", "plain", "naïve \u2013 Ω \U0001f600\0\n"])
def test_decoding_undoes_encoding(text):
    tokens = Bytes().encode(text)
    assert tokens.tolist() == list(text.encode())
    assert tokens.dtype == np.int32
    assert Bytes().decode(tokens) == text
    assert isinstance(Bytes(), ByteTokenizer)
    assert Bytes().vocabulary_size == 256


def test_a_cut_character_is_replaced():
    assert Bytes().decode([0x68, 0x69, 0xC3]) == "hi\ufffd"


def test_any_bytes_come_back_as_they_were():
    data = random.Random(0).randbytes(5_000)
    assert Bytes().decode_bytes(Bytes().encode_bytes(data)) == data
    assert [Bytes().token_bytes(value) for value in (0, 255)] == [b"\0", b"\xff"]
    assert [Bytes().token_text(value) for value in (65, 255)] == ["A", r"\xff"]


def test_a_text_of_impossible_bytes_keeps_them():
    text = b"caf\xe9".decode(errors="surrogateescape")
    assert Bytes().decode_bytes(Bytes().encode(text)) == b"caf\xe9"
    with pytest.raises(
        InputError, match=r"^character '\\ud800' at position 1: [^\n]*$"
    ):
        Bytes().encode("a\ud800")


@pytest.mark.parametrize("token", [-1, 256, 50_256])
def test_a_number_that_is_no_byte_is_named(token):
    with pytest.raises(InputError, match=f"^token {token}: a byte lies in 0 to 255$"):
        Bytes().decode([65, token])


def test_tokenizers_pickle_and_compare_by_value():
    assert pickle.loads(pickle.dumps(Bytes())) == Bytes()
