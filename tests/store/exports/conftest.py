from __future__ import annotations

from pathlib import Path

import pytest

from export_run import make_run, shapes


@pytest.fixture(scope="session")
def shapes_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one sample of each shape; a select dropped the last two."""
    return make_run(tmp_path_factory.mktemp("run") / "shapes", *shapes(), dropped=2)
