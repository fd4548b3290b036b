"""A whole evaluation on files: the same scores whatever the batch and the number of processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from eval_files import make_checkpoint, write_data, write_task

from polysee.evaluation.predictions import read_predictions
from polysee.evaluation.session import Evaluation, run_evaluation
from polysee.evaluation.tasks.load import load_tasks
from polysee.schema.errors import UserError


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    make_checkpoint(folder / "checkpoint")
    write_task(folder / "task.yaml", write_data(folder / "data"))
    return folder


def _evaluation(place: Path, out: Path, **changes: Any) -> Evaluation:
    tasks = load_tasks(str(place / "task.yaml"))
    return Evaluation(**{"tasks": tasks, "out": out, "subject": place / "checkpoint", "resamples": 200} | changes)


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    run_evaluation(evaluation)
    found: dict[str, Any] = json.loads((evaluation.out / "scores.json").read_text(encoding="utf-8"))
    return found


def test_batch_and_processes_change_no_byte(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polysee.evaluation.jobs.UNIT", 16)
    for name, changes in {
        "one": {"batch": 1},
        "eight": {"batch": 8},
        "many": {"batch": 32},
        "auto": {},
        "two": {"batch": 8, "processes": 2},
    }.items():
        run_evaluation(_evaluation(place, tmp_path / name, **changes))
    first = (tmp_path / "one" / "scores.json").read_bytes()
    for name in ("eight", "many", "auto", "two"):
        assert (tmp_path / name / "scores.json").read_bytes() == first, name


def test_rows_baselines_and_tags(place: Path, tmp_path: Path) -> None:
    scores = _scores(_evaluation(place, tmp_path))
    rows = scores["tasks"]
    assert {row["baseline"] for row in rows if row["task"] == "animals"} == {None, "blank", "untrained", "shuffled"}
    assert {(row["metric"], row.get("mode", "multilingual")) for row in rows if row["task"] == "animals-written"} == {
        ("exact_match", "multilingual"),
        ("exact_match", "official"),
        ("chrf", "multilingual"),
    }
    assert all(row["n"] == 8 and row["seen"] is None and "held_in" not in row for row in rows)
    tags = {(row["tag"], row["name"], row["language"], row["baseline"]): row for row in scores["tags"]}
    land = [tags["domain", f"land/{name}", "ar", None]["value"] for name in ("pets", "farm")]
    assert tags["domain", "land", "ar", None]["value"] == pytest.approx(sum(land) / 2, abs=1e-5)
    assert ("ability", "naming", None, "shuffled") in tags


def test_shuffled_asks_in_another_language(place: Path, tmp_path: Path) -> None:
    from polysee.evaluation.tasks.data import Material, MediaPack, read_task
    from polysee.evaluation.tasks.expand import expand

    (task, _) = load_tasks(str(place / "task.yaml"))
    jobs = expand(task, read_task(task, Material(MediaPack(tmp_path / "media.pack"))))
    straight = {job.item: job for job in jobs if not job.shuffled}
    shuffled = [job for job in jobs if job.shuffled]
    assert len(shuffled) == len(straight)
    for job in shuffled:
        own = straight[job.item]
        assert job.candidates == own.candidates
        assert job.golds == own.golds
        assert job.sample.turns[-1].input != own.sample.turns[-1].input


def test_killed_evaluations_go_on(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = (
        "import sys; sys.path[:0] = {path!r}\n"
        "from polysee.evaluation import jobs; jobs.UNIT = 5\n"
        "from polysee.cli.main import main\n"
        "main(['eval', {subject!r}, '--task', {task!r}, '--out', {out!r}, '--batch', '4'])"
    ).format(path=sys.path, subject=str(place / "checkpoint"), task=str(place / "task.yaml"), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if (out / "predictions.lance" / "_versions").is_dir():
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (out / "scores.json").exists()
    before = read_predictions(out / "predictions.lance")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = read_predictions(out / "predictions.lance")
    assert 0 < len(before) < len(after)
    assert after.slice(0, len(before)).equals(before)
    whole = _scores(_evaluation(place, tmp_path / "whole", resamples=2000))
    assert json.loads((out / "scores.json").read_text(encoding="utf-8")) == whole


def test_limit_keeps_the_same_pictures_in_every_language(place: Path, tmp_path: Path) -> None:
    run_evaluation(_evaluation(place, tmp_path, limit=3, languages=("ar", "th")))
    rows = [row for row in read_predictions(tmp_path / "predictions.lance").to_pylist() if row["baseline"] is None]
    assert {row["language"] for row in rows} == {"ar", "th"}
    by_language = {tag: {row["cluster"] for row in rows if row["language"] == tag} for tag in ("ar", "th")}
    assert by_language["ar"] == by_language["th"]
    assert len(by_language["ar"]) == 3


def test_a_language_that_is_not_there(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no samples in hi"):
        run_evaluation(_evaluation(place, tmp_path, languages=("hi",)))


def test_no_checkpoint(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a run nor a checkpoint"):
        run_evaluation(_evaluation(place, tmp_path, subject=place / "data"))
