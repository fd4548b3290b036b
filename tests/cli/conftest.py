from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import polysee

Command = Callable[..., subprocess.CompletedProcess[str]]

SCENES = Path(__file__).parent.parent / "data" / "scenes.yaml"


def run_polysee(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """``polysee …`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "polysee.cli.main", *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])},
        timeout=120,
    )


@pytest.fixture(scope="session")
def command() -> Command:
    return run_polysee


@pytest.fixture(scope="session")
def scenes() -> Path:
    """A recipe of a few scenes."""
    return SCENES


@pytest.fixture(scope="session")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the recipe of a few scenes has run."""
    folder = tmp_path_factory.mktemp("runs")
    done = run_polysee("run", SCENES, "--workdir", folder)
    assert done.returncode == 0, done.stderr
    return folder
