"""Labelled images with random access: in memory, or in the files of a data set."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, runtime_checkable

import numpy as np
from jaxtyping import Int, Int32, UInt8

from nnguide.config import InputError
from nnguide.data.identity import files_sha256


@runtime_checkable
class ImageSource(Protocol):
    """A random-access data set of images of one size.

    Its `repr` is the same in every process that opens the same set.
    """

    @property
    def label_names(self) -> tuple[str, ...]:
        """The name of each class, by its label."""
        ...

    @property
    def origin(self) -> str:
        """The set's name, its split and its folder, for messages."""
        ...

    @property
    def sha256(self) -> str:
        """A digest of the images, the labels and the label names."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, row: SupportsIndex) -> dict[str, Any]:
        """One example: "image" (height, width, channels) uint8 and its "label"."""
        ...

    def __getitems__(self, rows: Sequence[SupportsIndex]) -> list[dict[str, Any]]:
        """Several examples; the batched read of PyTorch and TFDS."""
        ...

    def take(self, rows: Int[np.ndarray, "B"]) -> dict[str, Any]:
        """Those examples stacked into new arrays: "image" (B, ...) and "label" (B,)."""
        ...

    def arrays(self) -> dict[str, Any]:
        """The whole set as two arrays, which must not be modified."""
        ...


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ArraySource:
    """A set held in memory.

    Attributes:
      images: pixels from 0 (background) to 255.
      labels: the class of each image.
      label_names: the name of each class.
      origin: the set's name, its split and its folder.
    """

    images: UInt8[np.ndarray, "N height width channels"]
    labels: Int32[np.ndarray, "N"]
    label_names: tuple[str, ...]
    origin: str

    def __post_init__(self) -> None:
        self.images.flags.writeable = self.labels.flags.writeable = False

    @property
    def sha256(self) -> str:
        """A digest of shape, pixels, labels and label names; hashed once."""
        return self._sha256

    @functools.cached_property
    def _sha256(self) -> str:
        digest = hashlib.sha256(f"{self.images.shape} {self.label_names}".encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, "<i4").data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: SupportsIndex) -> dict[str, Any]:
        return {"image": self.images[row], "label": self.labels[row]}

    def __getitems__(self, rows: Sequence[SupportsIndex]) -> list[dict[str, Any]]:
        return [self[row] for row in rows]

    def take(self, rows: Int[np.ndarray, "B"]) -> dict[str, Any]:
        """Those examples stacked into new arrays."""
        return {"image": self.images[rows], "label": self.labels[rows]}

    def arrays(self) -> dict[str, Any]:
        """The whole set, without a copy."""
        return {"image": self.images, "label": self.labels}

    def __repr__(self) -> str:
        return _describe(self)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RecordSource:
    """A set read record by record from files; it may be larger than memory.

    Attributes:
      records: random access to dicts with "image" and "label".
      label_names: the name of each class.
      origin: the set's name, its split and its folder.
      files: the files of the records.
    """

    records: Any
    label_names: tuple[str, ...]
    origin: str
    files: tuple[Path, ...] = ()

    @property
    def sha256(self) -> str:
        """A digest of the files and the label names; hashed once."""
        return self._sha256

    @functools.cached_property
    def _sha256(self) -> str:
        content = f"{files_sha256(self.files)} {self.label_names}"
        return hashlib.sha256(content.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, row: SupportsIndex) -> dict[str, Any]:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: Sequence[SupportsIndex]) -> list[dict[str, Any]]:
        try:
            records = self.records.__getitems__([int(row) for row in rows])
            if any(record["image"] is None for record in records):
                raise ValueError("a record is missing")
        except (OSError, RuntimeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"{self.origin}: damaged ({reason}); prepare the set again"
            ) from error
        return [
            {
                "image": _with_channels(record["image"]),
                "label": np.int32(record["label"]),
            }
            for record in records
        ]

    def take(self, rows: Int[np.ndarray, "B"]) -> dict[str, Any]:
        """Those examples stacked into new arrays."""
        examples = self.__getitems__(list(rows))
        sizes = {example["image"].shape for example in examples}
        if len(sizes) > 1:
            raise InputError(
                f"{self.origin}: images of several sizes, {sorted(sizes)[:3]} among "
                "them, do not stack; prepare the set with images of one size"
            )
        return {
            "image": np.stack([example["image"] for example in examples]),
            "label": np.stack([example["label"] for example in examples]),
        }

    @functools.cached_property
    def _arrays(self) -> dict[str, Any]:
        return self.take(np.arange(len(self)))

    def arrays(self) -> dict[str, Any]:
        """The whole set as two arrays, read once and kept in memory."""
        return self._arrays

    def __repr__(self) -> str:
        return _describe(self)


def _with_channels(image: np.ndarray) -> np.ndarray:
    """Adds the channel axis that greyscale records lack."""
    return image[..., None] if image.ndim == 2 else image


def _describe(source: ImageSource) -> str:
    size = "x".join(map(str, source[0]["image"].shape)) if len(source) else "no"
    kind = type(source).__name__
    return f"{kind}({source.origin}: {len(source):,} images of {size})"
