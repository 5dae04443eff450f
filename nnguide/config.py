"""Command-line flags from a frozen dataclass, and a digest that names a run.

A config is a frozen dataclass that may nest others. `define_flags` defines one typed
absl flag for each leaf field (`--train.steps`), so that `--help`, `--flagfile` and
absl's spelling hints work; its result builds a config from the parsed flags.
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
    DataclassInstance = Any  # typeshed is not importable; beartype needs a name

flags.disclaim_key_flags()  # so that --help lists the flags under the launcher

ConfigT = TypeVar("ConfigT", bound=DataclassInstance)
_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


class InputError(ValueError):
    """An error in the user's input: one line that says what, where and the remedy.

    Launchers print it and exit with status 1. Other exceptions are bugs, except the
    `OSError`s that `experiments.border` reports.
    """


def user_path(path: str | Path) -> Path:
    """Converts a path given by the user, and expands `~`.

    Raises:
      InputError: it is a URL (a bucket), or the home folder is unknown.
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
    """The folder for data sets and compiled programs.

    It is `chosen`, else $NNGUIDE_CACHE, else nnguide in $XDG_CACHE_HOME or ~/.cache.

    Raises:
      InputError: no home folder is known.
    """
    if chosen or (chosen := os.environ.get("NNGUIDE_CACHE")):
        return user_path(chosen)
    try:
        return user_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "nnguide"
    except InputError:
        raise InputError(
            "no home folder is known for the cache of data sets and programs; set "
            "NNGUIDE_CACHE to a folder that you may write."
        ) from None


_Readers = dict[tuple[str, Any], Callable[[], Any]]
Naming = Literal["grouped", "ungrouped", "alone"]


def run_only(default: Any, naming: Naming = "grouped") -> Any:
    """Marks a field that does not change what is learned.

    `digest` and `differences` ignore such a field (a path, a kernel, a picture's
    theme), so that a run with another value resumes the same run.

    Args:
      default: the field's default; a nested config is marked as a whole.
      naming: the prefix of a nested config's flags: the enclosing groups and its own
        name (`--train.parallel.mode`), the enclosing groups only, or its own name only
        (`--parallel.mode`).

    Returns:
      A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"run_only": True, naming: True})


def ungrouped(default: Any) -> Any:
    """Marks a nested config whose flags omit its own name: `--dataset`.

    Args:
      default: a frozen dataclass.

    Returns:
      A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"ungrouped": True})


def alone(default: Any) -> Any:
    """Marks a nested config whose flags omit the enclosing groups: `--dpo.beta`.

    Args:
      default: a frozen dataclass.

    Returns:
      A dataclass field.
    """
    return dataclasses.field(default=default, metadata={"alone": True})


MOST_SEED = 2**32 - 1


def seed_field(flag: str) -> Any:
    """A dataclass field for a seed from 0 to 2^32 - 1, 0 by default.

    Without 64-bit mode JAX truncates seeds to 32 bits: a larger or negative seed would
    silently give the key of another one.

    Args:
      flag: the field's flag, for the error message.

    Returns:
      The field's default: a descriptor that raises InputError when another value is
      assigned. The config's own `__post_init__` stays free.
    """
    return _Seed(flag)


class _Seed:
    """A descriptor; a dataclass takes its value on the class, 0, as the default."""

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
    """The prefix of a nested config's flags."""
    if field.metadata.get("alone"):
        return f"{field.name}."
    return prefix if field.metadata.get("ungrouped") else f"{prefix}{field.name}."


def define_flags(
    default: ConfigT, prefix: str = "", shared: _Readers | None = None
) -> Callable[[], ConfigT]:
    """Defines a flag for each field: `--field`, and `--group.field` if nested.

    The help texts are the `name: text` lines of the dataclasses' docstrings.

    Args:
      default: the flags' defaults; may nest frozen dataclasses.
      prefix: prepended to every flag's name, for instance "train.".
      shared: the `alone` groups whose flags are already defined, with their readers.
        Two trainings of one launcher with equal defaults share these flags.

    Returns:
      A function that returns a config of `default`'s type; call it after the flags are
      parsed. It raises InputError if the config's own checks reject a value.

    Raises:
      TypeError: a field's type is not bool, int, float, str, `Literal` of strings,
        tuple of int, float or str, or a dataclass.
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
    """The `name: text` entries of a class's docstrings, continuation lines joined."""
    texts: dict[str, str] = {}
    for parent in reversed(config_type.__mro__):  # subclasses override
        doc = inspect.cleandoc(parent.__doc__ or "")
        for name, text in re.findall(r"^ *(\w+): ((?:.+)(?:\n {4,}\S.*)*)", doc, re.M):
            texts[name] = re.sub(r"\s+", " ", text)
    return texts


def _define_flag(name: str, value: Any, hint: Any, text: str) -> Callable[[], Any]:
    """Defines the flag of one leaf field; returns a function that reads its value."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):  # `int | None`
        (hint,) = (a for a in typing.get_args(hint) if a is not types.NoneType)
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is Literal and isinstance(arguments[0], str):
        choice = flags.DEFINE_enum(name, value, arguments, text)
        return lambda: choice.value
    if typing.get_origin(hint) is tuple and arguments[0] in (int, float, str):
        return _define_tuple(name, value, arguments[0], text)
    if hint not in _DEFINE:
        raise TypeError(f"--{name}: no absl flag holds a {hint}.")
    leaf = _DEFINE[hint](name, value, text)
    return lambda: _not_nan(name, leaf.value)


def _not_nan(name: str, value: Any) -> Any:
    """Returns the value; raises InputError for NaN, which range checks may miss."""
    if value != value:
        raise InputError(f"--{name}={value}: not a number; give one.")
    return value


class _CsvParser(flags.ListParser):
    """Parses strings separated by commas; keeps spaces, which absl's parser strips.

    A string with a comma or a line feed must be in double quotes.
    """

    def parse(self, argument: str | list[str]) -> list[str]:
        """Splits the argument; returns a list unchanged."""
        if isinstance(argument, list) or not argument:
            return list(argument)
        try:
            return next(csv.reader([argument], strict=True))
        except csv.Error as error:
            raise ValueError(
                f"{error}; put strings with commas or line feeds between double quotes"
            ) from None


def _define_tuple(name: str, value: Any, item: Any, text: str) -> Callable[[], Any]:
    default = None if value is None else [str(v) for v in value]
    parser = _CsvParser() if item is str else flags.ListParser()
    serializer = flags.CsvListSerializer(",")
    items = flags.DEFINE(parser, name, default, text, serializer=serializer)

    def read() -> tuple[Any, ...] | None:
        if items.value is None:
            return None
        try:
            return tuple(_not_nan(name, item(v)) for v in items.value)
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
      prefix: prepended to every name.
      learned_only: omits fields that are marked `run_only`.
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
    """Yields (flag prefix, config) of a config and of all configs nested in it."""
    yield prefix, config
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from groups(value, _group(field, prefix))


def digest(config: DataclassInstance) -> str:
    """Hashes a config without its `run_only` fields to eight hex digits."""
    learned = {k: _number(v) for k, v in leaves(config, learned_only=True)}
    text = json.dumps(learned, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _number(value: Any) -> Any:
    """Converts 3.0 to 3, so that both give the same digest."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def differences(
    config: DataclassInstance, saved: dict[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Compares a config with one read back from config.json.

    Args:
      config: the requested config.
      saved: flag name -> value, from the JSON of `dict(leaves(...))`.

    Returns:
      Flag name -> (saved value, requested value) of every field that differs and is
      not `run_only`; the value of a missing field is None.
    """
    every = dict(leaves(config))
    requested = dict(leaves(config, learned_only=True))
    names = {*requested, *(name for name in saved if name not in every)}
    pairs = {name: (saved.get(name), requested.get(name)) for name in sorted(names)}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}
