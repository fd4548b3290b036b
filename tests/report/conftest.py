"""One small run for all tests of the report; tests that change a run make their own copy."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_run import make_run

from polysee.report import write_report


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every part. Do not change it."""
    path = make_run(tmp_path_factory.mktemp("report") / "small-run")
    write_report(path)
    return path


@pytest.fixture(scope="session")
def page(finished: Path) -> str:
    return (finished / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change, without its page."""
    path = tmp_path / "small-run"
    shutil.copytree(finished, path)
    (path / "report.html").unlink()
    return path
