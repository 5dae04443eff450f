"""Images with labels by row: in memory, or read from the files of a prepared set."""

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
    """A random-access set of images of one size; an example is a dict of two arrays.

    Its `repr` is the same in every process that opens the same set.
    """

    @property
    def label_names(self) -> tuple[str, ...]:
        """What each label stands for, by its number."""
        ...

    @property
    def origin(self) -> str:
        """The set, its split and the folder it was taken from, for people."""
        ...

    @property
    def sha256(self) -> str:
        """Of the images, the labels and their names, wherever they lie."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, row: SupportsIndex) -> dict[str, Any]:
        """One example: "image" (height, width, channels) uint8 and its "label"."""
        ...

    def __getitems__(self, rows: Sequence[SupportsIndex]) -> list[dict[str, Any]]:
        """Several examples; what PyTorch and TFDS call a batched read."""
        ...

    def take(self, rows: Int[np.ndarray, "B"]) -> dict[str, Any]:
        """Those examples stacked in new memory: "image" (B, ...) and "label" (B,)."""
        ...

    def arrays(self) -> dict[str, Any]:
        """The whole set stacked. Do not write to it."""
        ...


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ArraySource:
    """A set held in memory.

    Attributes:
      images: the pixels, 0 (background) ... 255.
      labels: the class of each image.
      label_names: what each label stands for.
      origin: the set, its split and the folder it was taken from.
    """

    images: UInt8[np.ndarray, "N height width channels"]
    labels: Int32[np.ndarray, "N"]
    label_names: tuple[str, ...]
    origin: str

    def __post_init__(self) -> None:
        self.images.flags.writeable = self.labels.flags.writeable = False

    @property
    def sha256(self) -> str:
        """Of shape, pixels, labels and their names."""
        return self._sha256

    @functools.cached_property
    def _sha256(self) -> str:
        seen = hashlib.sha256(f"{self.images.shape} {self.label_names}".encode())
        seen.update(np.ascontiguousarray(self.images).data)
        seen.update(np.ascontiguousarray(self.labels, "<i4").data)
        return seen.hexdigest()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: SupportsIndex) -> dict[str, Any]:
        return {"image": self.images[row], "label": self.labels[row]}

    def __getitems__(self, rows: Sequence[SupportsIndex]) -> list[dict[str, Any]]:
        return [self[row] for row in rows]

    def take(self, rows: Int[np.ndarray, "B"]) -> dict[str, Any]:
        """Those examples stacked in new memory."""
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
      records: random access to dicts that hold "image" and "label".
      label_names: what each label stands for.
      origin: the set, its split and the folder it was taken from.
      files: where the records are.
    """

    records: Any
    label_names: tuple[str, ...]
    origin: str
    files: tuple[Path, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the files and the labels' names."""
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
            found = self.records.__getitems__([int(row) for row in rows])
            if any(one["image"] is None for one in found):
                raise ValueError("a record is missing")
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.origin}: damaged ({reason}); prepare the set again"
            ) from error
        return [
            {"image": _with_channels(one["image"]), "label": np.int32(one["label"])}
            for one in found
        ]

    def take(self, rows: Int[np.ndarray, "B"]) -> dict[str, Any]:
        """Those examples stacked in new memory."""
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
        """The whole set, read once."""
        return self._arrays

    def __repr__(self) -> str:
        return _describe(self)


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image[..., None] if image.ndim == 2 else image


def _describe(source: ImageSource) -> str:
    size = "x".join(map(str, source[0]["image"].shape)) if len(source) else "no"
    kind = type(source).__name__
    return f"{kind}({source.origin}: {len(source):,} images of {size})"
