"""Folders of config.json and safetensors files: what is in them, read or written whole.

Source of the format: github.com/huggingface/safetensors. A file begins with names,
types, shapes and places of its tensors, so that nothing need be executed to read it.
"""

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from jaxtyping import Shaped

from nnguide.config import InputError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"


class FoundTensor(NamedTuple):
    """A tensor in a file.

    Attributes:
      file: that holds it.
      name: there.
      shape: of the tensor.
      element: type of its numbers, in the format's words: "F32", "BF16".
      read: gets the numbers.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    element: str
    read: Callable[[], Shaped[np.ndarray, "..."]]


def tensors_in(folder: Path) -> list[FoundTensor]:
    """All tensors in a folder's file, or in the files that its index names.

    Raises:
      InputError: there are none, one is broken, the only file is a pickle, or
        safetensors is not installed.
    """
    found = []
    for file in _files(folder):
        opened = _open(file)
        for name in opened.keys():  # noqa: SIM118, it is no dict
            head = opened.get_slice(name)
            read = _reader(opened, name)
            shape = tuple(head.get_shape())
            found.append(FoundTensor(file, name, shape, head.get_dtype(), read))
    return found


def read_json(path: Path) -> dict[str, Any]:
    """An object in a JSON file.

    Raises:
      InputError: there is no such file, or it holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        _unreadable(path, error)
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object in braces; get it anew.")
    return content


def write(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Shaped[np.ndarray, "..."]],
) -> None:
    """Writes config.json and model.safetensors, whole or not at all.

    Args:
      folder: made if need be; a model that is there is replaced.
      config: goes to JSON.
      tensors: contiguous, by name.

    Raises:
      InputError: the folder cannot be written to; or safetensors is not installed.
    """
    safetensors = _library("safetensors")
    weights, described = (folder / f"{name}.partial" for name in (WEIGHTS, CONFIG))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        described.write_text(json.dumps(config, indent=2) + "\n")
        # Older versions of transformers want to be told that torch's layout is meant.
        _library("safetensors.numpy").save_file(
            dict(tensors), weights, metadata={"format": "pt"}
        )
        # Last, and away meanwhile: without it nothing in the folder is a model.
        (folder / CONFIG).unlink(missing_ok=True)
        weights.replace(folder / WEIGHTS)
        described.replace(folder / CONFIG)
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(
            f"{folder}: cannot be written ({_reason(error)}); give a folder with room "
            "that you may write to."
        ) from None
    finally:
        for partial in (weights, described):
            if partial.is_file():
                partial.unlink()


def _files(folder: Path) -> list[Path]:
    """The files that hold the tensors; a single one is preferred, as everywhere."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return _parts(folder / INDEX)
    pickled = sorted(file.name for file in folder.glob("*.bin"))
    if pickled:
        raise InputError(
            f"{folder}: holds {pickled[0]} but no {WEIGHTS}; a pickle can run any "
            "program and is never read. Convert it where you trust it: "
            "GPT2LMHeadModel.from_pretrained(folder).save_pretrained(new_folder)."
        )
    raise InputError(f"{folder}: holds no {WEIGHTS}; put it beside {CONFIG}.")


def _parts(index: Path) -> list[Path]:
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise InputError(
            f"{index}: has no weight_map of tensor names to files; get it anew."
        )
    files = sorted({str(name) for name in names.values()})
    outside = [name for name in files if Path(name).name != name]
    if outside:
        raise InputError(
            f"{index}: names {outside[0]}, which is not in its folder; get it anew."
        )
    return [index.with_name(name) for name in files]


def _open(path: Path) -> Any:
    safetensors = _library("safetensors")
    try:
        return safetensors.safe_open(path, "np")
    except (OSError, safetensors.SafetensorError) as error:
        _unreadable(path, error)


def _reader(opened: Any, name: str) -> Callable[[], np.ndarray]:
    return lambda: opened.get_tensor(name)


def _unreadable(path: Path, error: Exception) -> NoReturn:
    raise InputError(
        f"{path}: cannot be read ({_reason(error)}); get the whole file anew."
    ) from None


def _reason(error: Exception) -> str:
    """One line without the path, which the message has already."""
    return getattr(error, "strerror", None) or str(error).partition("\n")[0]


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            "safetensors is missing, which reads and writes GPT-2's files: install the "
            "extra guide (pip install 'nnguide[guide]')."
        ) from None
