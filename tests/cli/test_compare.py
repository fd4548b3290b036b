"""`compare` and `leaderboard` from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_answers import model, row, write

from polysee.cli.main import main

Call = Callable[..., str]


@pytest.fixture
def polysee(capsys: pytest.CaptureFixture[str]) -> Call:
    """``polysee …`` in this process: what it prints, or says is wrong where it leaves with 2."""

    def call(*words: str | Path, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main([*map(str, words), "--resamples", "200"])
        said = capsys.readouterr()
        assert left.value.code == code, said.err
        return said.err if code == 2 else said.out

    return call


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and one that is worse in Thai."""
    folder = tmp_path_factory.mktemp("compare")
    rows = model(1, pictures=120, tasks=("naming", "colour"))
    rows += [row("facts", "hi", n, 1, sample=f"f{n}", cluster=f"f{n}", chance=None) for n in range(20)]
    worse = [r | {"score": 0.0} if r["language"] == "th" and n % 2 else r for n, r in enumerate(rows)]
    return write(folder / "base", rows), write(folder / "new", worse)


def test_table_and_json(polysee: Call, folders: tuple[Path, Path], tmp_path: Path) -> None:
    said = polysee("compare", *folders, "--json", tmp_path / "out.json")
    assert "questions answered by both" in said
    [thai] = [line for line in said.splitlines() if line.startswith("th ")]
    assert "-" in thai.split()[3]
    assert "would show" in said
    assert "worse" in said
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert found["languages"]["am"]["value"] == 0.0
    assert found["languages"]["th"]["adjusted"] < 0.001
    assert {cell["language"] for cell in found["cells"] if cell["adjusted"] < 0.05} == {"th"}


def test_gate_leaves_with_three(polysee: Call, folders: tuple[Path, Path]) -> None:
    assert "gate: stopped\n  th: " in polysee("compare", *folders, "--max-drop", "5", code=3)
    assert "gate: none of 5 languages has fallen" in polysee("compare", *reversed(folders), "--max-drop", "5")
    only = polysee("compare", *folders, "--language", "am", "--max-drop", "0")
    assert "none of 1 languages" in only


def test_retention(polysee: Call, folders: tuple[Path, Path]) -> None:
    said = polysee("compare", *folders, "--retention")
    assert "questions without pictures" in said
    assert "facts" in said


def test_mistakes(polysee: Call, folders: tuple[Path, Path], tmp_path: Path) -> None:
    assert "no answers here" in polysee("compare", tmp_path, folders[0], code=2)
    assert "do not go together" in polysee("compare", *folders, "--retention", "--max-drop", "1", code=2)
    assert "no answer to the same question" in polysee("compare", *folders, "--task", "nothing", code=2)
    assert "two checkpoints" in polysee("leaderboard", folders[0], "--checkpoints", "--out", "x.html", code=2)


def test_leaderboard(polysee: Call, folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "board.html"
    said = polysee("leaderboard", folders[0], f"جديد={folders[1]}", "--out", out, "--title", "לוח")
    assert said == f"{out}\n"
    text = out.read_text(encoding="utf-8")
    assert "جديد" in text
    assert "לוח" in text
    assert "the runs do not hold this question" in text
