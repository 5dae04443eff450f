"""Prints the newest Python from 3.12 on here; exit status 1 if there is none."""

import glob
import os
import shutil
import subprocess
import sys


def version(python: str) -> tuple[int, ...]:
    """(major, minor) of an interpreter, (0, 0) where it does not run with venv."""
    code = "import ensurepip, sys, venv; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0, 0)


names = ["python3", *(f"python3.{minor}" for minor in range(12, 20))]
found = [path for name in names if (path := shutil.which(name))]
if root := os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")):
    found += glob.glob(os.path.join(root, "versions", "3.*", "bin", "python3"))
newest = max(found, key=version, default="")
if not newest or version(newest) < (3, 12):
    sys.exit("no Python 3.12 or newer on this machine: make test-newest needs one")
print(newest)
