"""C++ sources of ours as functions that XLA calls, compiled on this machine.

The first use takes some seconds for the compiler; what it made is kept in the cache
folder, one file for each source, compiler command and kind of processor. Where others
may write to that folder, nothing is loaded from it.

Source: XLA's foreign function interface, https://docs.jax.dev/en/latest/ffi.html.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import jax
from absl import logging

from nnguide import code_folder
from nnguide.config import InputError, cache_folder
from nnguide.plain_path import PlainPath

SHARED = Path(__file__).parent  # headers of all sources
OPTIONS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-pthread")


@functools.cache
def lacking(source: Path, functions: tuple[str, ...]) -> str:
    """Why XLA cannot call some functions of ours; empty once it can.

    The first call compiles them where that is not yet done, and registers them.

    Args:
      source: the C++ file that defines them.
      functions: their names.
    """
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if not compiler:
        return "no C++ compiler: install one (Debian: g++) or name it in $CXX"
    includes = ["-I", jax.ffi.include_dir(), "-I", str(SHARED)]
    command = [*compiler.split(), *OPTIONS, *includes, str(source)]
    try:
        built = _built(source, command)
        with contextlib.closing(PlainPath(built.parent)) as folder:
            library = ctypes.CDLL(str(folder.path / built.name))
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line]
        return f"{compiler} cannot compile {source.name}: {(lines or ['no reason'])[0]}"
    except (OSError, InputError) as error:
        return f"{source.name} cannot be compiled or loaded: {error}"
    for name in functions:
        capsule = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    return ""


def _built(source: Path, command: list[str]) -> Path:
    """The library's file, compiled unless it is in the cache folder."""
    folders = source.parent, SHARED
    headers = [header for folder in folders for header in sorted(folder.glob("*.h"))]
    texts = [each.read_text() for each in (source, *headers)]
    parts = [*texts, *command, jax.__version__, _processor()]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    kept = code_folder.make(cache_folder() / "kernels")
    target = kept / f"{source.stem}-{digest}.so"
    if target.exists():
        code_folder.check(target)
        return target
    logging.info("compiling %s, once on this machine", source.name)
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        made = Path(folder, target.name)
        subprocess.run(
            [*command, "-o", str(made)], check=True, capture_output=True, text=True
        )
        made.chmod(0o700)  # the compiler goes by the umask
        made.replace(target)  # whole or not at all, whoever else compiles it now
    return target


def _processor() -> str:
    """What `-march=native` depends on; a home folder may be many machines'."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    flags = [line for line in lines if line.startswith(("flags", "Features"))]
    return flags[0] if flags else platform.processor() + platform.machine()
