"""Raw IDX files: read as they are, refused in one line when they are damaged."""

import gzip
import time
from pathlib import Path

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data.idx import find_idx, load_idx, read_idx

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
DIGITS = tuple("0123456789")


def idx(array, magic=None):
    header = bytes([0, 0, 8, array.ndim]) if magic is None else magic
    return header + np.array(array.shape, ">i4").tobytes() + array.tobytes()


IMAGES = np.arange(7 * 4 * 3, dtype=np.uint8).reshape(7, 4, 3)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)


def write(folder, images, labels, mark="-", end=""):
    pack = gzip.compress if end else bytes
    for split in ("train", "t10k"):
        (folder / f"{split}-images{mark}idx3-ubyte{end}").write_bytes(pack(images))
        (folder / f"{split}-labels{mark}idx1-ubyte{end}").write_bytes(pack(labels))


@pytest.mark.smoke
@pytest.mark.parametrize("mark", ["-", "."])
@pytest.mark.parametrize("end", ["", ".gz"])
def test_both_spellings_are_read_packed_or_not(tmp_path, mark, end):
    write(tmp_path, idx(IMAGES), idx(LABELS), mark, end)
    source = load_idx(tmp_path, "test", "mnist", DIGITS)
    assert np.array_equal(source.images, IMAGES[..., None])
    assert source.labels.tolist() == LABELS.tolist()
    assert source.labels.dtype == np.int32
    assert str(tmp_path) in source.origin


def test_the_unpacked_file_is_taken_first(tmp_path):
    write(tmp_path, b"damaged", b"damaged", "-", ".gz")
    write(tmp_path, idx(IMAGES), idx(LABELS))
    assert len(load_idx(tmp_path, "train", "mnist", DIGITS)) == 7
    assert len(find_idx(tmp_path)) == 4


def test_labels_without_names_are_called_by_their_number(tmp_path):
    write(tmp_path, idx(IMAGES), idx(LABELS + 40))
    names = load_idx(tmp_path, "train", "letters", None).label_names
    assert names == tuple(map(str, range(50)))


def refused(folder, images=None, labels=None, end=""):
    write(
        folder,
        idx(IMAGES) if images is None else images,
        idx(LABELS) if labels is None else labels,
        end=end,
    )
    with pytest.raises(InputError, match=r"^[^\n]+$") as caught:
        load_idx(folder, "train", "mnist", DIGITS)
    return str(caught.value)


def test_a_truncated_gz_is_named(tmp_path):
    write(tmp_path, idx(IMAGES), idx(LABELS), end=".gz")
    for path in tmp_path.glob("train-images*"):
        path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz: cannot be read"):
        load_idx(tmp_path, "train", "mnist", DIGITS)


def test_a_gz_that_is_none_or_damaged_is_named(tmp_path):
    write(tmp_path, idx(IMAGES), idx(LABELS), end=".gz")
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[14] ^= 0xFF
    for content in (b"", b"plain", bytes(flipped), whole[:5]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"labels-idx1-ubyte\.gz"):
            load_idx(tmp_path, "train", "mnist", DIGITS)


def test_a_wrong_magic_number_is_named(tmp_path):
    said = refused(tmp_path, labels=idx(LABELS, magic=b"\0\0\x0d\1"))
    assert "begins with 0x00000d01" in said
    assert "0x00000801" in said
    assert "0x00000803" in refused(tmp_path, images=idx(LABELS))  # mixed up
    assert "begins with 0x," in refused(tmp_path, images=b"")


def test_a_file_of_another_length_than_its_header_says_is_named(tmp_path):
    assert "99 bytes where its header says 16 and 7 x 4 x 3" in refused(
        tmp_path, images=idx(IMAGES)[:-1]
    )
    assert "damaged" in refused(tmp_path, images=idx(IMAGES) + b"x")
    assert "damaged" in refused(tmp_path, labels=idx(LABELS)[:6])
    huge = bytes([0, 0, 8, 3]) + b"\x7f\xff\xff\xff" * 3
    assert "damaged" in refused(tmp_path, images=huge)


def test_labels_that_do_not_go_with_the_images_are_named(tmp_path):
    said = refused(tmp_path, labels=idx(LABELS[:-1]))
    assert "6 labels for the 7 images" in said
    assert "label 12 where mnist has labels 0 to 9" in refused(
        tmp_path, labels=idx(LABELS + 3)
    )


def test_a_missing_file_and_a_missing_split_are_named(tmp_path):
    write(tmp_path, idx(IMAGES), idx(LABELS))
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="no train-labels-idx1-ubyte"):
        load_idx(tmp_path, "train", "mnist", DIGITS)
    assert len(load_idx(tmp_path, "test", "mnist", DIGITS)) == 7
    with pytest.raises(InputError, match="no split 'validation'"):
        load_idx(tmp_path, "validation", "mnist", DIGITS)


def test_an_empty_set_is_a_set(tmp_path):
    write(tmp_path, idx(IMAGES[:0]), idx(LABELS[:0]))
    assert len(load_idx(tmp_path, "train", "mnist", DIGITS)) == 0


def test_read_idx_gives_the_array_itself(tmp_path):
    (tmp_path / "images").write_bytes(idx(IMAGES))
    assert np.array_equal(read_idx(tmp_path / "images", 3), IMAGES)


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is missing"
)
def test_whole_fashion_mnist_is_read_in_seconds():
    started = time.perf_counter()
    train = load_idx(DEBIAN, "train", "fashion_mnist", DIGITS)
    test = load_idx(DEBIAN, "test", "fashion_mnist", DIGITS)
    assert train.images.shape == (60_000, 28, 28, 1)
    assert test.images.shape == (10_000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [6_000] * 10
    assert np.bincount(test.labels).tolist() == [1_000] * 10
    # The set's own statistics, as everybody normalises with: 0.2860 and 0.3530.
    assert abs(train.images.mean() / 255 - 0.2860) < 5e-5
    assert abs(train.images.std() / 255 - 0.3530) < 5e-5
    assert time.perf_counter() - started < 10  # 0.5 s on an idle machine
