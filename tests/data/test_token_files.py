"""Files of token ids in two layouts, mapped whole or refused."""

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data.token_files import map_tokens

TOKENS = np.array([5, 50_256, 0, 17, 17, 300], "<u2")


def header(count, magic=20240520, version=1):
    words = np.zeros(256, "<i4")
    words[:3] = magic, version, count
    return words.tobytes()


@pytest.mark.smoke
@pytest.mark.parametrize("before", [b"", header(6)], ids=["nanoGPT", "llm.c"])
def test_both_layouts_are_mapped(tmp_path, before):
    path = tmp_path / "tokens.bin"
    path.write_bytes(before + TOKENS.tobytes())
    tokens = map_tokens(path, 50_257)
    assert isinstance(tokens, np.memmap)
    assert tokens.tolist() == TOKENS.tolist()
    assert not tokens.flags.writeable


def test_a_long_file_without_header_is_mapped(tmp_path):
    path = tmp_path / "tokens.bin"
    many = np.arange(5_000, dtype="<u2")
    path.write_bytes(many.tobytes())
    assert np.array_equal(map_tokens(path, 5_000), many)


def refusal(path, content, vocabulary_size=50_257):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        map_tokens(path, vocabulary_size)
    return str(caught.value)


def test_an_odd_size_and_an_empty_file_are_refused(tmp_path):
    said = refusal(tmp_path / "odd.bin", TOKENS.tobytes()[:-1])
    assert "odd.bin: 11 bytes do not hold tokens of two bytes" in said
    assert "0 bytes" in refusal(tmp_path / "empty.bin", b"")


def test_ids_past_the_vocabulary_are_named(tmp_path):
    said = refusal(tmp_path / "a.bin", TOKENS.tobytes(), 50_256)
    assert "id 50256 of token 1 lies past a vocabulary of 50,256" in said
    said = refusal(tmp_path / "b.bin", header(6) + TOKENS.tobytes(), 100)
    assert "token 1 lies past a vocabulary of 100;" in said


@pytest.mark.parametrize(
    "before", [header(7), header(5), header(6, version=7)], ids=["cut", "long", "other"]
)
def test_a_header_that_says_something_else_is_refused(tmp_path, before):
    said = refusal(tmp_path / "tokens.bin", before + TOKENS.tobytes())
    assert "its llm.c header says version" in said


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        map_tokens(tmp_path / "nowhere.bin", 10)
