"""lmms-eval's environment, with polysee's plug-in at the version of this package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.services import environments
from polysee.store.fingerprint import fingerprint

NAME = "lmms-eval"
_MARK = "plug-in"
_FILES = ("pyproject.toml", "polysee_lmms/__init__.py", "polysee_lmms/model.py")


def install() -> Path:
    """Make the environment anew, and return its Python. Raises `UserError` where pip fails."""
    environments.install(NAME)
    return interpreter()


def interpreter() -> Path:
    """The environment's Python; its plug-in is brought up to date first.

    Raises `UserError` where the environment was not made, or where pip fails.
    """
    if not environments.is_installed(NAME):
        raise UserError("lmms-eval is not installed", f"polysee doctor --install {NAME}")
    python = environments.interpreter(NAME)
    mark = environments.home() / NAME / _MARK
    wanted = plugin_version()
    if not mark.is_file() or mark.read_text(encoding="utf-8") != wanted:
        install_plugin(python)
        mark.write_text(wanted, encoding="utf-8")
    return python


def plugin_version() -> str:
    """A hash of the plug-in's files."""
    source = files("polysee.evaluation.lmms") / "plugin"
    return fingerprint("lmms-plugin", 1, [(source / name).read_text(encoding="utf-8") for name in _FILES], [])


def install_plugin(python: Path, *pip_arguments: str) -> None:
    """Install the plug-in for a Python, without its dependencies. Raises `UserError` where pip fails."""
    with as_file(files("polysee.evaluation.lmms") / "plugin") as source, tempfile.TemporaryDirectory() as scratch:
        # A copy, because a build writes beside its source, which may be read-only.
        for name in _FILES:
            target = Path(scratch) / name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source / name, target)
        line = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", *pip_arguments]
        ended = subprocess.run([*line, scratch], stdout=sys.stderr, check=False)
    if ended.returncode != 0:
        fix = "read what pip says above; it builds with hatchling, which needs the network"
        raise UserError("pip could not install the plug-in for lmms-eval", fix, place=str(python))
