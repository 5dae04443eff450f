"""Files of token ids in their layouts, mapped whole or refused."""

import gzip
from typing import Any

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data import identity, token_files
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


def refusal(path, content, vocabulary_size=50_257, dtype: Any = "uint16"):
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        map_tokens(path, vocabulary_size, dtype)
    return str(caught.value)


LARGE = np.array([100_000, 128_255, 0, 5, 70_000, 65_536] * 20, "<u4")


@pytest.mark.parametrize(
    ("before", "dtype"),
    [(b"", "uint32"), (header(120, 20240801, 7), "uint16")],
    ids=["plain", "llm.c"],
)
def test_ids_of_32_bits_are_mapped_where_the_header_or_the_flag_says_so(
    tmp_path, before, dtype
):
    path = tmp_path / "tokens.bin"
    path.write_bytes(before + LARGE.tobytes())
    tokens = map_tokens(path, 128_256, dtype)
    assert isinstance(tokens, np.memmap)
    assert tokens.dtype == np.uint32
    assert np.array_equal(tokens, LARGE)


def test_a_known_header_goes_before_the_flag(tmp_path):
    path = tmp_path / "tokens.bin"
    path.write_bytes(header(6) + TOKENS.tobytes())
    assert np.array_equal(map_tokens(path, 50_257, "uint32"), TOKENS)


@pytest.mark.parametrize("vocabulary_size", [300, 50_257, 65_536, 128_256, 2**31])
def test_uint32_read_as_uint16_is_noticed_for_every_vocabulary(
    tmp_path, vocabulary_size
):
    ids = LARGE if vocabulary_size > 2**16 else LARGE % 300
    said = refusal(tmp_path / "a.bin", ids.tobytes(), vocabulary_size)
    assert "as in a file of uint32 ids; say so with --tokens_dtype=uint32" in said


def test_int64_read_as_uint32_and_uint16_read_as_uint32_are_noticed(tmp_path):
    path = tmp_path / "a.bin"
    said = refusal(path, LARGE.astype("<i8").tobytes(), 128_256, "uint32")
    assert "as in a file of int64 ids; write them as uint32" in said
    halves = np.tile(TOKENS, 20).tobytes()
    assert "past a vocabulary of 50,257" in refusal(path, halves, dtype="uint32")


def test_a_zero_at_every_second_place_of_half_a_file_is_a_text(tmp_path):
    path = tmp_path / "a.bin"
    ids = np.tile(np.array([7, 0], "<u2"), 100)
    ids[-1] = 300
    path.write_bytes(ids.tobytes())
    assert np.array_equal(map_tokens(path, 50_257), ids)
    path.write_bytes(np.zeros(200, "<u2").tobytes())  # a text of one letter
    assert not map_tokens(path, 1).any()


@pytest.mark.parametrize("vocabulary_size", [2**31, 2**40])
def test_ids_that_the_device_cannot_count_are_refused(tmp_path, vocabulary_size):
    ids = LARGE.copy()
    ids[7] = 2**31
    said = refusal(tmp_path / "a.bin", ids.tobytes(), vocabulary_size, "uint32")
    assert "id 2147483648 of token 7 lies past a vocabulary of 2,147,483,648" in said


@pytest.mark.parametrize("place", [0, 150_000, 299_999])
def test_of_a_large_file_a_sample_from_end_to_end_is_checked(
    tmp_path, monkeypatch, place
):
    monkeypatch.setattr(token_files, "WHOLE", 1 << 10)
    monkeypatch.setattr(identity, "BLOCK", 1 << 8)
    ids = np.full(300_000, 3, "<u2")  # more bytes than the 1,024 blocks hold
    ids[place] = 9
    (tmp_path / "a.bin").write_bytes(ids.tobytes())
    near = {start // 2 for start, _ in identity.blocks(ids.nbytes, 1024)}
    if place in (0, 299_999) or any(0 <= place - start < 128 for start in near):
        said = refusal(tmp_path / "a.bin", ids.tobytes(), 9)
        assert f"id 9 of token {place:,} lies past" in said


HEADER_LIKE = {
    "a header of another version": header(6, 20250211, 1),
    "llm.c's of another kind": header(6, 20240522, 1),
    "another program's": header(6, 77_777, 3),
    "big-endian": np.frombuffer(header(6), "<i4").astype(">i4").tobytes(),
}


@pytest.mark.parametrize("before", HEADER_LIKE.values(), ids=HEADER_LIKE.keys())
@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_an_unknown_header_is_refused(tmp_path, before, dtype):
    content = before + np.tile(TOKENS, 100).tobytes()
    said = refusal(tmp_path / "a.bin", content, 2**31, dtype)
    assert "begins with what looks like a header" in said
    assert "20240520 (version 1), 20240801 (version 7)" in said


def test_other_kinds_of_files_are_named(tmp_path):
    np.save(tmp_path / "a.npy", TOKENS)
    content = (tmp_path / "a.npy").read_bytes()
    assert "is a NumPy array (.npy)" in refusal(tmp_path / "a.bin", content)
    content = gzip.compress(TOKENS.tobytes())
    assert "is packed by gzip" in refusal(tmp_path / "b.bin", content)


def test_a_header_without_its_tokens_is_refused(tmp_path):
    for dtype in ("uint16", "uint32"):
        said = refusal(tmp_path / "a.bin", header(6)[:600], dtype=dtype)
        assert "600 bytes, fewer than the 1,024 of the llm.c header" in said
    assert "a header and no tokens" in refusal(tmp_path / "b.bin", header(0)).replace(
        "an llm.c header", "a header"
    )
    said = refusal(tmp_path / "c.bin", header(3, 20240801, 7) + LARGE[:4].tobytes())
    assert "says version 7 and 3 tokens, where version 7 and 4 were" in said


def test_an_odd_size_and_an_empty_file_are_refused(tmp_path):
    said = refusal(tmp_path / "odd.bin", TOKENS.tobytes()[:-1])
    assert "odd.bin: 11 bytes do not hold tokens of 2 bytes" in said
    said = refusal(tmp_path / "odd.bin", LARGE.tobytes()[:-2], dtype="uint32")
    assert "odd.bin: 478 bytes do not hold tokens of 4 bytes" in said
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
