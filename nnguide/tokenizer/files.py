"""Tokenizers on disk: JSON with the kind and the fields of the dataclass."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from nnguide.config import InputError
from nnguide.text_files import read_text
from nnguide.tokenizer.byte_pairs import BytePairs
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.tokenizer.words import Words

_KINDS: dict[str, Any] = {
    "bytes": Bytes,
    "byte_pairs": BytePairs,
    "characters": Characters,
    "words": Words,
}


def to_json(tokenizer: Tokenizer) -> str:
    """What a file of the tokenizer holds, in ASCII; equal ones hold the same."""
    made: Any = tokenizer
    kind = next(kind for kind, one in _KINDS.items() if one is type(made))
    return json.dumps({"kind": kind, **dataclasses.asdict(made)}) + "\n"


def save(tokenizer: Tokenizer, path: Path) -> None:
    """Writes a tokenizer; the file appears whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(to_json(tokenizer), encoding="utf-8")
    beside.replace(path)


def load(path: Path) -> Tokenizer:
    """Reads what `save` wrote.

    Raises:
      InputError: there is no such file, or it holds no tokenizer.
    """
    try:
        fields = json.loads(read_text(path))
        return _KINDS[fields.pop("kind")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise InputError(
            f"{path}: holds no tokenizer ({reason}); give the path of one saved by a "
            f"run, of the kinds {', '.join(_KINDS)}"
        ) from error
