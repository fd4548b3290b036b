"""Environments of their own for packages whose pins fight ours. They are called as subprocesses, never imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from importlib.resources import files
from pathlib import Path

from polysee.schema.errors import UserError

PACKAGES = {
    "comet": ("unbabel-comet", "safetensors", "huggingface-hub"),
    "lmms-eval": ("lmms-eval", "torch", "torchvision"),
}
"""Environment -> what is installed into it, at the versions of ``<name>-constraints.txt`` beside this file."""


def home() -> Path:
    """The folder of all environments, in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "polysee" / "environments"


def interpreter(name: str) -> Path:
    """The Python of the environment ``name``, whether it is there or not."""
    return home() / name / "bin" / "python"


def is_installed(name: str) -> bool:
    """Whether `install` has finished for ``name``, and its Python is still there."""
    return (home() / name / "complete").is_file() and interpreter(name).is_file()


def install(name: str, *, pip_arguments: tuple[str, ...] = ()) -> Path:
    """Make the environment ``name`` anew and return its Python. Takes minutes and gigabytes.

    Raises `UserError` for an unknown name, and where pip fails.
    """
    if name not in PACKAGES:
        raise UserError(f"no environment is called {name!r}", f"there are {', '.join(PACKAGES)}")
    folder = home() / name
    shutil.rmtree(folder, ignore_errors=True)
    # Its scripts hold its path, so it is made where it will stay; the marker says that it is whole.
    venv.create(folder, with_pip=True)
    constraints = files("polysee.services") / f"{name}-constraints.txt"
    command = [str(interpreter(name)), "-m", "pip", "install", "--quiet", "-c", str(constraints), *pip_arguments]
    ended = subprocess.run([*command, *PACKAGES[name]], stdout=sys.stderr, check=False)
    if ended.returncode != 0:
        fix = "read what pip says above; it needs the network and some gigabytes of disk"
        raise UserError(f"pip could not install {', '.join(PACKAGES[name])}", fix, place=str(folder))
    (folder / "complete").touch()
    return interpreter(name)
