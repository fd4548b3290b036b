"""`export`: from a run to a folder, and from the folder to a run with the same samples."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from polysee.schema.arrow import from_table
from polysee.store.run import RunStore

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("kind", ["parquet", "webdataset", "sharegpt"])
def test_there_and_back_again(kind: str, workdir: Path, tmp_path: Path, command: Command) -> None:
    done = command("export", workdir / "scenes", "--format", kind, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "40 samples in 2 files" in done.stdout
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    block = card.split("## Reading it with polysee\n\n```yaml\n")[1].split("```")[0]
    recipe = "name: again\nworkers: 1\n" + block.replace("path/to/this/folder", str(tmp_path / "out"))
    (tmp_path / "again.yaml").write_text(recipe, encoding="utf-8")
    done = command("run", tmp_path / "again.yaml", "--workdir", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    old = RunStore.open_read_only(workdir / "scenes")
    new = RunStore.open_read_only(tmp_path / "runs" / "again")
    before, after = list(from_table(old.samples(where=old.kept()))), list(from_table(new.samples()))
    if kind in ("parquet", "webdataset"):
        assert {s.id for s in after} == {s.id for s in before}
        origins = {s.id: s.origins for s in before}
        assert all(s.origins[1:] == origins[s.id] for s in after)
        assert {s.origin.source for s in after} == {"exported"}
    # Options are the part of the content that conversations have no place for.
    plain = [{(s.language, s.task, s.split, s.instruction, s.turns, s.media) for s in run} for run in (before, after)]
    assert plain[0] == plain[1]


def test_choice_and_losses_are_printed(workdir: Path, tmp_path: Path, command: Command) -> None:
    words = ("--language", "ar", "--split", "train", "--where", "task = 'naming'", "--shard-size", 1)
    done = command("export", workdir / "scenes", "--format", "m3it", "--out", tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{tmp_path / 'out'}: 6 samples in 1 file"
    assert "  tags: not kept in 6 of 6 samples" in lines
    done = command("export", workdir / "scenes", "--format", "m3it", "--out", tmp_path / "all", "--all")
    assert re.search(r"left out: \d+ \(it has several turns\)", done.stdout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--format", "csv", "--out", "x"), "'csv' is not one of"),
        (("--format", "llava"), "missing option '--out'"),
        (
            ("--format", "llava", "--out", "x", "--language", "sw"),
            "hint: the run has split: scenes, train; language: ar",
        ),
    ],
)
def test_mistakes(words: tuple[str, ...], message: str, workdir: Path, command: Command) -> None:
    done = command("export", workdir / "scenes", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_no_run(tmp_path: Path, command: Command) -> None:
    done = command("export", tmp_path, "--format", "llava", "--out", tmp_path / "out")
    assert (done.returncode, "this is not a run folder" in done.stderr) == (2, True)
