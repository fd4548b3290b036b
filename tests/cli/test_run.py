"""`run` and `plan` on a few scenes of the microworld."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polysee
from polysee.recipe.load import load_recipe
from polysee.store.run import RunStore

Command = Callable[..., subprocess.CompletedProcess[str]]

STEPS = ["world", "ask", "size", "arabic", "large"]


def columns(text: str) -> list[list[str]]:
    """The cells of the lines of a plan that speak of steps."""
    return [line.split() for line in text.splitlines() if line.split()[:1] and line.split()[0] in STEPS]


def test_run_says_where_it_is_and_keeps_its_recipe(workdir: Path, scenes: Path) -> None:
    run = workdir / "scenes"
    assert load_recipe(run / "recipe.yaml") == load_recipe(scenes)
    assert sorted(json.loads((run / "rates.json").read_text())["steps"]) == sorted(STEPS)
    assert RunStore.open_read_only(run).count() == 60


def test_second_run_does_nothing_and_ends_with_the_same_data(workdir: Path, scenes: Path, command: Command) -> None:
    before = RunStore.open_read_only(workdir / "scenes").dataset_hash()
    done = command("run", scenes, "--workdir", workdir, "--workers", 2)
    assert done.returncode == 0
    assert done.stderr.count(": committed\n") == 5
    assert done.stdout == f"{workdir / 'scenes'}\n"
    assert RunStore.open_read_only(workdir / "scenes").dataset_hash() == before


def test_plan_of_a_new_run_leaves_nothing_behind(tmp_path: Path, scenes: Path, command: Command) -> None:
    done = command("plan", scenes, "--workdir", tmp_path / "runs")
    assert done.returncode == 0
    assert [(cells[0], cells[2], cells[3]) for cells in columns(done.stdout)] == [
        (name, "yes", "≤60") for name in STEPS
    ]
    assert [cells[0] for cells in columns(done.stdout) if cells[6] == "-"] == []
    assert "disk at least about " in done.stdout
    assert done.stdout.count("never ran") == 5
    assert list(tmp_path.iterdir()) == []


def test_plan_says_what_changed_and_how_long_it_took(workdir: Path, scenes: Path, command: Command) -> None:
    done = command("plan", scenes, "--workdir", workdir)
    assert [cells[2:4] for cells in columns(done.stdout)] == [["no", rows] for rows in ("60", "60", "60", "40", "40")]
    assert "nothing to do: every step is committed" in done.stdout
    done = command("plan", scenes, "--workdir", workdir, "--set", "select.large.where=min_side > 64")
    assert [cells[2] for cells in columns(done.stdout)] == ["no"] * 4 + ["yes"]
    assert "parameters changed: select.large.where" in done.stdout
    assert "1 of 5 steps will run; time about 0 s" in done.stdout


def test_interrupted_run_goes_on(tmp_path: Path, scenes: Path, command: Command) -> None:
    words = ["run", str(scenes), "--workdir", str(tmp_path), "--set", "sources.world.params.scenes.naming=1000"]
    process = subprocess.Popen(
        # A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that.
        ["env", "--default-signal=INT", sys.executable, "-m", "polysee.cli.main", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])},
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "scenes" / "journal").is_dir():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.endswith("interrupted: run the same command again to go on\n")
    assert "Traceback" not in said
    assert command(*words).returncode == 0
    assert RunStore.open_read_only(tmp_path / "scenes").count() == 60 + 994 * 3


def test_run_folder_that_cannot_be_made(tmp_path: Path, scenes: Path, command: Command) -> None:
    file = tmp_path / "file"
    file.touch()
    done = command("run", scenes, "--workdir", file)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {file}/scenes: cannot write here")
    assert "Traceback" not in done.stderr
