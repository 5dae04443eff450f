"""Command-line flags from a frozen dataclass, and a digest that names a run.

A config is a frozen dataclass composed of the parts' configs. `define_flags` makes one
typed absl flag a leaf field (`--train.steps`), so that `--help`, `--flagfile` and
absl's spelling hints work; the result reads the parsed flags back into a config.
"""

import csv
import dataclasses
import hashlib
import inspect
import json
import os
import re
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from absl import flags

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
else:
    DataclassInstance = Any  # exists for type checkers only; beartype looks it up

flags.disclaim_key_flags()  # so that --help lists the flags under the launcher

ConfigT = TypeVar("ConfigT", bound=DataclassInstance)
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


class InputError(ValueError):
    """Bad input at the border: one line that names what, where and the remedy.

    Launchers print it and end with exit status 1; any other exception is our bug.
    """


def user_path(path: str | Path) -> Path:
    """A path as a person writes it, with `~` expanded.

    Raises:
      InputError: it is the address of a bucket, or nobody knows the home it names.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", str(path)):
        raise InputError(
            f"{path}: not a folder of this machine; mount the bucket and give its path."
        )
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise InputError(
            f"{path}: no home folder is known for it; give the whole path, or set HOME."
        ) from None


def cache_folder(chosen: str | None = None) -> Path:
    """Where data sets and compiled programs are kept between runs.

    `chosen`, else $NNGUIDE_CACHE, else nnguide in $XDG_CACHE_HOME or ~/.cache.

    Raises:
      InputError: no home folder is known.
    """
    if chosen or (chosen := os.environ.get("NNGUIDE_CACHE")):
        return user_path(chosen)
    try:
        return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "nnguide"
    except InputError:
        raise InputError(
            "no home folder is known to keep data sets and compiled programs in; set "
            "NNGUIDE_CACHE to a folder that you may write."
        ) from None


_Readers = dict[tuple[str, Any], Callable[[], Any]]
Naming = Literal["grouped", "ungrouped", "alone"]


def run_only(default: Any, naming: Naming = "grouped") -> Any:
    """Marks a field that does not change what is learned.

    Such a field (a path, a kernel, a picture's theme) stays out of `digest` and
    `differences`, so that changing it resumes the same run.

    Args:
      default: the field's default; a nested config is marked as a whole.
      naming: of a nested config's flags: after all groups it lies in
        (`--train.parallel.mode`), without its own name, or with its own name alone
        (`--parallel.mode`).

    Returns:
      A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"run_only": True, naming: True})


def ungrouped(default: Any) -> Any:
    """Marks a nested config whose flags carry no group's name: `--dataset`.

    Args:
      default: a frozen dataclass.

    Returns:
      A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"ungrouped": True})


def alone(default: Any) -> Any:
    """Marks a nested config whose flags carry its own name alone: `--dpo.beta`.

    Args:
      default: a frozen dataclass.

    Returns:
      A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"alone": True})


MOST_SEED = 2**32 - 1


def seed_field(flag: str) -> Any:
    """A field for a seed, 0 by default, that refuses what has no key of its own.

    JAX makes keys of 32 bits unless it computes with 64: a longer or negative seed
    would silently draw what another one draws.

    Args:
      flag: the field's flag, which the refusal names.

    Returns:
      A default for a dataclass's field. It checks each value where it is set, which
      leaves `__post_init__` to the config.
    """
    return _Seed(flag)


class _Seed:
    """A descriptor; a dataclass takes what it gives the class as the default."""

    def __init__(self, flag: str) -> None:
        self._flag = flag

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, config: Any, owner: type | None = None) -> int:
        return 0 if config is None else vars(config)[self._name]

    def __set__(self, config: Any, seed: int) -> None:
        if not 0 <= seed <= MOST_SEED:
            raise InputError(
                f"--{self._flag}={seed}: give a whole number from 0 to {MOST_SEED}."
            )
        vars(config)[self._name] = seed


def _group(field: "dataclasses.Field[Any]", prefix: str) -> str:
    """What the flags of a nested config begin with."""
    if field.metadata.get("alone"):
        return f"{field.name}."
    return prefix if field.metadata.get("ungrouped") else f"{prefix}{field.name}."


def define_flags(
    default: ConfigT, prefix: str = "", shared: _Readers | None = None
) -> Callable[[], ConfigT]:
    """Defines `--field` and `--group.field`; call the result after flags are parsed.

    The help texts are the `name: text` lines of the dataclasses' docstrings.

    Args:
      default: holds the flags' defaults; may nest frozen dataclasses.
      prefix: goes before every flag's name, for instance "train.".
      shared: groups named alone that have flags already; two trainings of one launcher
        share theirs, where their defaults are the same.

    Returns:
      A function that reads the parsed flags into a config of `default`'s type. It
      raises InputError where the config's own checks refuse a value.

    Raises:
      TypeError: a field is no bool, int, float, str, `Literal` of strings, tuple of
        int, float or str, or dataclass.
    """
    hints = typing.get_type_hints(type(default))
    texts = _field_texts(type(default))
    readers: dict[str, Callable[[], Any]] = {}
    shared = {} if shared is None else shared
    for field in dataclasses.fields(default):
        name, value = prefix + field.name, getattr(default, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            group = _group(field, prefix)
            reader = shared.get((group, value)) or define_flags(value, group, shared)
            if field.metadata.get("alone"):
                shared[group, value] = reader
            readers[field.name] = reader
        else:
            text, hint = texts.get(field.name, ""), hints[field.name]
            readers[field.name] = _define_flag(name, value, hint, text)
    return lambda: dataclasses.replace(default, **{k: r() for k, r in readers.items()})


def _field_texts(config_type: type) -> dict[str, str]:
    """The `name: text` entries of the docstrings, continuation lines joined."""
    texts: dict[str, str] = {}
    for parent in reversed(config_type.__mro__):  # a child's text wins
        doc = inspect.cleandoc(parent.__doc__ or "")
        for name, text in re.findall(r"^ *(\w+): ((?:.+)(?:\n {4,}\S.*)*)", doc, re.M):
            texts[name] = re.sub(r"\s+", " ", text)
    return texts


def _define_flag(name: str, value: Any, hint: Any, text: str) -> Callable[[], Any]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # `int | None`
        (hint,) = (a for a in typing.get_args(hint) if a is not types.NoneType)
    inside = typing.get_args(hint)
    if typing.get_origin(hint) is Literal and isinstance(inside[0], str):
        choice = flags.DEFINE_enum(name, value, inside, text)
        return lambda: choice.value
    if typing.get_origin(hint) is tuple and inside[0] in (int, float, str):
        return _define_tuple(name, value, inside[0], text)
    if hint not in _DEFINE:
        raise TypeError(f"--{name}: no absl flag holds a {hint}.")
    leaf = _DEFINE[hint](name, value, text)
    return lambda: _number_given(name, leaf.value)


def _number_given(name: str, value: Any) -> Any:
    """The value, unless it is no number, which every comparison lets pass."""
    if value != value:
        raise InputError(f"--{name}={value}: not a number; give one.")
    return value


class _BlanksParser(flags.ListParser):
    """Texts separated by commas, as they are; absl's own parser cuts their blanks.

    A text with a comma or a line feed stands between double quotes.
    """

    def parse(self, argument: str | list[str]) -> list[str]:
        """The texts; a list is taken as it is."""
        if isinstance(argument, list) or not argument:
            return list(argument)
        try:
            return next(csv.reader([argument], strict=True))
        except csv.Error as error:
            raise ValueError(
                f"{error}; put a text with a comma or a line feed between double quotes"
            ) from None


def _define_tuple(name: str, value: Any, item: Any, text: str) -> Callable[[], Any]:
    default = None if value is None else [str(v) for v in value]
    parser = _BlanksParser() if item is str else flags.ListParser()
    serializer = flags.CsvListSerializer(",")
    items = flags.DEFINE(parser, name, default, text, serializer=serializer)

    def read() -> tuple[Any, ...] | None:
        if items.value is None:
            return None
        try:
            return tuple(_number_given(name, item(v)) for v in items.value)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(
                f"--{name}={','.join(items.value or ())}: {error}. "
                f"Give {item.__name__} values separated by commas."
            ) from None

    return read


def leaves(
    config: DataclassInstance, prefix: str = "", learned_only: bool = False
) -> Iterator[tuple[str, Any]]:
    """Yields every (flag name, value) of a config, in order of definition.

    Args:
      config: a config, nested or not.
      prefix: goes before every name.
      learned_only: leaves out what is marked `run_only`.
    """
    for field in dataclasses.fields(config):
        if learned_only and field.metadata.get("run_only"):
            continue
        name, value = prefix + field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from leaves(value, _group(field, prefix), learned_only)
        else:
            yield name, list(value) if isinstance(value, tuple) else value


def groups(config: DataclassInstance, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields a config and all configs nested in it, each with its flags' prefix."""
    yield prefix, config
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from groups(value, _group(field, prefix))


def digest(config: DataclassInstance) -> str:
    """Eight hex digits that name what a config learns (`run_only` fields left out)."""
    learned = {k: _number(v) for k, v in leaves(config, learned_only=True)}
    text = json.dumps(learned, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _number(value: Any) -> Any:
    """Writes 3.0 as 3, so that a rate given as an integer names the same run."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def differences(
    config: DataclassInstance, saved: dict[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Compares a config with one read back from config.json.

    Args:
      config: the config asked for.
      saved: flag name -> value, as `dict(leaves(...))` gave them to JSON.

    Returns:
      Flag name -> (saved value, asked value) of every field that changes what is
      learned and differs; a field that one side lacks counts as None there.
    """
    every = dict(leaves(config))
    asked = dict(leaves(config, learned_only=True))
    names = {*asked, *(name for name in saved if name not in every)}
    pairs = {name: (saved.get(name), asked.get(name)) for name in sorted(names)}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}
