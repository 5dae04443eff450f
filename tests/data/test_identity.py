"""Identities of contents: of every byte, or of blocks from end to end."""

import hashlib
import os

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data import identity
from nnguide.data.identity import blocks, files_sha256
from nnguide.data.sources import ArraySource, RecordSource


def written(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


@pytest.mark.smoke
def test_one_files_identity_is_what_sha256sum_prints(tmp_path):
    content = os.urandom(3 * identity.BLOCK + 5)
    path = written(tmp_path, "a", content)
    assert files_sha256([path]) == hashlib.sha256(content).hexdigest()
    assert files_sha256([written(tmp_path, "b", b"")]) == hashlib.sha256().hexdigest()


def test_where_one_file_ends_and_the_next_begins_counts(tmp_path):
    a, ab = written(tmp_path, "a", b"a"), written(tmp_path, "ab", b"ab")
    b, bb = written(tmp_path, "b", b"b"), written(tmp_path, "bb", b"bb")
    assert files_sha256([a, bb]) != files_sha256([ab, b])
    assert files_sha256([a, b]) != files_sha256([b, a])


def test_of_a_large_file_blocks_from_the_first_to_the_last_byte_count():
    size = 5_000 * identity.BLOCK + 12_346
    found = list(blocks(size))
    assert len(found) == identity.BLOCKS
    starts, lengths = (np.array(each) for each in zip(*found, strict=True))
    assert starts[0] == 0
    assert starts[-1] + lengths[-1] == size
    assert not (starts % 8).any()
    gaps = np.diff(starts)
    assert gaps.max() - gaps.min() <= 8  # evenly spread
    assert sum(length for _, length in blocks(12_345_678)) == 12_345_678


def test_a_large_files_size_and_blocks_are_its_identity(tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "WHOLE", 1 << 10)
    monkeypatch.setattr(identity, "BLOCK", 1 << 6)
    monkeypatch.setattr(identity, "BLOCKS", 4)
    content = bytearray(os.urandom(2_000))
    before = files_sha256([written(tmp_path, "a", content)])
    for place, seen in ((0, True), (1_999, True), (100, False)):
        content[place] ^= 1
        assert (files_sha256([written(tmp_path, "a", content)]) != before) == seen
        content[place] ^= 1
    assert files_sha256([written(tmp_path, "a", content[:-1] + b"ab")]) != before


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: cannot be read"):
        files_sha256([tmp_path / "nowhere"])


def test_an_image_set_is_its_pixels_its_labels_and_their_names(tmp_path):
    images, labels = np.zeros((3, 2, 2, 1), np.uint8), np.zeros(3, np.int32)

    def source(images=images, labels=labels, names=("a", "b"), origin="here"):
        return ArraySource(images.copy(), labels.copy(), names, origin).sha256

    assert source() == source(origin="there")
    others = {
        source(), source(images=images + 1), source(labels=labels + 1),
        source(names=("a", "c")), source(images=images.reshape(3, 4, 1, 1)),
        source(images[:0], labels[:0]),
    }  # fmt: skip
    assert len(others) == 6
    first, second = (written(tmp_path, n, n.encode()) for n in ("one", "two"))
    records = {
        RecordSource([], names, "", (path,)).sha256
        for path in (first, second)
        for names in (("a",), ("b",))
    }
    assert len(records) == 4
