"""Image sets that TFDS prepared in a folder, read without TensorFlow."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from nnguide.config import InputError
from nnguide.data.sources import RecordSource

_VERSION = re.compile(r"\d+\.\d+\.\d+")


def find_prepared(data_dir: Path, name: str) -> Path | None:
    """The folder of the newest version of a set, if it is there.

    Args:
      data_dir: where TFDS keeps sets, as `name/version` or `name/config/version`.
      name: of the set, or `name/config`.

    Raises:
      InputError: the set is there in several configurations and none is named.
    """
    by_config: dict[Path, Path] = {}
    infos = [
        path
        for pattern in ("*/dataset_info.json", "*/*/dataset_info.json")
        for path in (data_dir / name).glob(pattern)
        if _VERSION.fullmatch(path.parent.name)
    ]
    for info in sorted(infos, key=lambda path: _numbers(path.parent.name)):
        by_config[info.parent.parent] = info.parent
    if len(by_config) > 1:
        choices = sorted(str(path.relative_to(data_dir)) for path in by_config)
        raise InputError(
            f"{data_dir / name}: prepared in several configurations; name one as the "
            f"data set: {', '.join(choices)}"
        )
    return next(iter(by_config.values()), None)


def load_prepared(folder: Path, split: str) -> RecordSource:
    """Opens one split of a prepared set.

    Args:
      folder: holds `dataset_info.json` and the records.
      split: as TFDS spells it; "train[:10%]" is one too.

    Raises:
      InputError: TFDS cannot read the folder without TensorFlow, no such split, or the
        set has no images of bytes with labels.
    """
    _check_format(folder)
    import tensorflow_datasets as tfds

    try:
        builder: Any = tfds.builder_from_directory(str(folder))
        records = builder.as_data_source(split)
    except Exception as error:  # TFDS has no type of its own for what is damaged
        raise InputError(
            f"{folder}: TFDS cannot open {split!r} ({_first_line(error)})"
        ) from error
    names = _label_names(folder, builder.info.features)
    origin = f"{builder.info.full_name} {split} of {folder}"
    files = tuple(sorted(folder.glob("*.array_record*")))
    return RecordSource(records, names, origin, files)


def _label_names(folder: Path, features: Any) -> tuple[str, ...]:
    """The names of the labels, after a look at what the set holds."""
    image, label = (dict(features).get(name) for name in ("image", "label"))
    names = getattr(label, "names", None)
    if image is None or image.np_dtype != np.uint8 or names is None:
        held = ", ".join(
            f"{name}: {type(one).__name__}" for name, one in sorted(features.items())
        )
        raise InputError(
            f"{folder}: holds {held}; nnguide reads sets with an image of uint8 and a "
            "label that is a ClassLabel"
        )
    return tuple(names)


def prepare(name: str, data_dir: Path) -> Path:
    """Has TFDS download and prepare a set; the folder of its newest version.

    TFDS itself writes to a folder of another name until the set is whole.

    Raises:
      InputError: TFDS does not know the set, or cannot prepare it here.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS announces what it does
            builder.download_and_prepare()
    except Exception as error:  # from the network, TFDS, or a missing TensorFlow
        raise InputError(
            f"{name}: TFDS cannot prepare it here ({_first_line(error)}); prepare it "
            "where TensorFlow is, with tfds build --file_format=array_record, and name "
            "that folder with the flag data_dir"
        ) from error
    return Path(builder.data_dir)


def _check_format(folder: Path) -> None:
    """Refuses what TFDS reads through TensorFlow only, before TFDS tries."""
    path = folder / "dataset_info.json"
    try:
        form = json.loads(path.read_text()).get("fileFormat", "tfrecord")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({_first_line(error)})") from error
    if form != "array_record":
        raise InputError(
            f"{folder}: is prepared as {form}, which TFDS reads only with TensorFlow; "
            "prepare it with --file_format=array_record"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
