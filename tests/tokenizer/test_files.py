"""Tokenizers come back from JSON as they were, and from nothing else."""

import json

import pytest

from nnguide.config import InputError
from nnguide.tokenizer.byte_pairs import BytePairs
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.files import load, save
from nnguide.tokenizer.words import Words


@pytest.mark.smoke
@pytest.mark.parametrize(
    "tokenizer",
    [
        Bytes(),
        Characters.of('a "b"\n\u2013Ω\U0001f600\0\ud800'),
        Words.of('to be or "not"'),
        BytePairs("a b\n\u0120 ab", end_of_text=True),
        BytePairs(""),
    ],
)
def test_what_is_saved_is_loaded(tmp_path, tokenizer):
    path = tmp_path / "tokenizer.json"
    save(tokenizer, path)
    assert load(path) == tokenizer
    assert "kind" in json.loads(path.read_text())
    assert [one.name for one in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\x80",
        "[]",
        "{}",
        '{"kind": "sentences"}',
        '{"kind": "words"}',
        '{"kind": "words", "words": "a a"}',
        '{"kind": "words", "words": 7}',
        '{"kind": "byte_pairs", "merges": "ab c"}',
        '{"kind": "byte_pairs", "merges": 7}',
        '{"kind": "characters"}',
        '{"kind": "characters", "alphabet": "ba"}',
        '{"kind": "bytes", "alphabet": "ab"}',
    ],
)
def test_anything_else_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content, "latin-1")
    with pytest.raises(
        InputError, match=r"^[^\n]*tokenizer\.json: [^\n]*characters, words$"
    ):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no tokenizer"):
        load(tmp_path / "nowhere.json")
