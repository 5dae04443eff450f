"""Who computes something: XLA, or on CPUs a kernel of ours.

A kernel asked for by name is taken or refused with the reason; only `auto` chooses, and
the log says what it took and why.
"""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
from absl import logging

from nnguide import target
from nnguide.config import InputError
from nnguide.cpp import compiled


class Kernel(NamedTuple):
    """A kernel of ours.

    Attributes:
      name: by which it is asked for.
      work: what it computes, in the plural.
      flag: by which it is asked for.
      source: the C++ file that defines its functions.
      functions: their names.
    """

    name: str
    work: str
    flag: str
    source: Path
    functions: tuple[str, ...]


def chosen(kernel: Kernel, asked: str, unsuited: str = "") -> str:
    """Who computes what is traced now; the log says it, and why, once.

    Args:
      kernel: in question.
      asked: its name, auto or xla.
      unsuited: why it cannot compute this, wherever it runs; empty if it can.

    Returns:
      The kernel's name, or xla.

    Raises:
      InputError: it is asked for by name where it cannot be had.
    """
    name = kernel.name
    if asked == "xla" or target.is_counting():
        return "xla"
    elsewhere = unsuited or _elsewhere()
    hindrance = elsewhere or compiled.lacking(kernel.source, kernel.functions)
    if hindrance and asked == name:
        raise InputError(f"{kernel.flag}={asked}: {hindrance}. Or give auto.")
    if hindrance:  # slow, and where no compiler is it need not be
        level = logging.INFO if elsewhere else logging.WARNING
        _announce(f"{kernel.work}: xla (auto; {name} cannot: {hindrance})", level)
        return "xla"
    reason = "auto on cpu" if asked == "auto" else "asked for"
    _announce(f"{kernel.work}: {name} ({reason})")
    return name


def _elsewhere() -> str:
    """Why kernels of ours are not for these devices; empty where they are."""
    if target.platform() != "cpu":
        return f"it runs on cpu, not on {target.platform()}"
    mesh = jax.sharding.get_abstract_mesh()
    if not mesh.empty and mesh.size > 1:
        return f"XLA cannot split it over {mesh.size} devices"
    return ""


@functools.cache  # so that the log says each choice once, not once a layer
def _announce(choice: str, level: int = logging.INFO) -> None:
    logging.log(level, "%s", choice)
