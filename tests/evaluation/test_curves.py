"""Checkpoints of one training on the same questions: curves by ability and language."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_files import make_checkpoint, write_data, write_task
from made_answers import answers, model, row

from polysee.evaluation.curves import build_curves, evaluate_checkpoints
from polysee.evaluation.predictions import read_predictions
from polysee.evaluation.session import Evaluation, locate
from polysee.evaluation.tasks.load import load_tasks
from polysee.inference.checkpoint import SavedCheckpoint, saved_checkpoints
from polysee.schema.errors import UserError
from tiny_model import WORDS

DRAWS = {"resamples": 200, "seed": 0}
RECIPE = "stages:\n  - {name: warm-up, steps: 20}\n  - {name: full, steps: 30, keep_every: 10}\n"


def _saved(name: str, steps: int) -> SavedCheckpoint:
    return SavedCheckpoint(name, "full", steps, steps, Path(name))


def test_a_curve_for_each_ability_and_language() -> None:
    tasks = ("naming", "counting")
    early, late = (model(seed, tasks=tasks, pictures=30, rate=rate) for seed, rate in ((1, 0.3), (2, 0.8)))
    late = [one | {"tags": ["ability:seeing"]} if one["task"] == "naming" else one for one in late]
    points = [(_saved("full@1", 1), answers(early, ar="vl")), (_saved("full", 2), answers(late, ar="vl"))]
    found: Any = build_curves(points, **DRAWS)
    assert [one["name"] for one in found["checkpoints"]] == ["full@1", "full"]
    curves = {(one["ability"], one["language"]): one for one in found["curves"]}
    tags = ("am", "ar", "hi", "th", "zh-Hant")
    assert set(curves) == {(ability, tag) for ability in (None, "seeing", "counting") for tag in (None, *tags)}
    assert all(one["chance"] == 0.25 and len(one["points"]) == 2 for one in found["curves"])

    def mean(rows: list[dict[str, Any]], task: str, tag: str) -> float:
        return float(np.mean([one["score"] for one in rows if (one["task"], one["language"]) == (task, tag)]))

    for rows, place in ((early, 0), (late, 1)):
        point = curves["seeing", "th"]["points"][place]
        assert point["value"] == pytest.approx(mean(rows, "naming", "th"), abs=1e-6)
        assert point["low"] <= point["value"] <= point["high"]
        # Over all languages it is those trained with pictures.
        both = np.mean([mean(rows, task, "ar") for task in tasks])
        assert curves[None, None]["points"][place]["value"] == pytest.approx(both, abs=1e-6)
        seeing = mean(rows, "naming", "ar")
        assert curves["seeing", None]["points"][place]["value"] == pytest.approx(seeing, abs=1e-6)


def test_only_what_all_checkpoints_were_asked() -> None:
    early = [row("naming", tag, number, 1) for tag in ("ar", "th") for number in range(3)]
    late = [row("naming", tag, number, 0) for tag in ("ar", "am") for number in range(3)]
    found: Any = build_curves([(_saved("a", 1), answers(early)), (_saved("b", 2), answers(late))], **DRAWS)
    assert {one["language"] for one in found["curves"]} == {None, "ar"}
    with pytest.raises(UserError, match="no task in common"):
        build_curves([(_saved("a", 1), answers(early)), (_saved("b", 2), answers(late[3:]))], **DRAWS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Something like a run: a recipe, and the same tiny model wherever a checkpoint belongs."""
    folder = tmp_path_factory.mktemp("curves")
    run = folder / "run"
    make_checkpoint(run / "checkpoints" / "warm-up")
    for name in ("full.kept/20", "full.kept/10", "full"):
        shutil.copytree(run / "checkpoints" / "warm-up", run / "checkpoints" / name)
    (run / "checkpoints" / "full.kept" / "30.partial").mkdir()
    (run / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    write_task(folder / "task.yaml", write_data(folder / "data", 4))
    return folder


def test_checkpoints_come_in_the_order_of_training(place: Path, tmp_path: Path) -> None:
    found = saved_checkpoints(place / "run")
    assert [(one.name, one.step, one.steps) for one in found] == [
        ("warm-up", 20, 20),
        ("full@10", 10, 30),
        ("full@20", 20, 40),
        ("full", 30, 50),
    ]
    with pytest.raises(UserError, match="not a run folder"):
        saved_checkpoints(tmp_path)


def test_a_kept_checkpoint_knows_its_run(tmp_path: Path) -> None:
    for name in ("full", "full.kept/10"):
        folder = tmp_path / "run" / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        assert locate(folder).run is None
        (tmp_path / "run" / "steps").mkdir()
        assert locate(folder).run == tmp_path / "run"
        (tmp_path / "run" / "steps").rmdir()


def test_every_checkpoint_is_asked_once(place: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def watch(one: SavedCheckpoint) -> Any:
        return lambda done, total: asked.append(f"{one.name} {done}/{total}")

    evaluation = Evaluation(
        load_tasks(str(place / "task.yaml")), tmp_path, place / "run", distort=("blur",), languages=("ar", "th"),
        resamples=200,
    )  # fmt: skip
    outcome, path = evaluate_checkpoints(evaluation, watch)
    first = path.read_bytes()
    assert asked == [f"{name} {n}/1" for name in ("warm-up", "full@10", "full@20", "full") for n in (0, 1)]
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "curves.json"
    assert [one["steps"] for one in found["checkpoints"]] == [20, 30, 40, 50]
    # Equal weights give equal answers.
    assert all(len({json.dumps(point) for point in one["points"]}) == 1 for one in found["curves"])
    before = read_predictions(tmp_path / "curves" / "full@10" / "predictions.lance")
    assert set(before["baseline"].to_pylist()) == set(before["variant"].to_pylist()) == {None}
    assert set(before["language"].to_pylist()) == {"ar", "th"} < set(WORDS)
    assert {score.baseline for score in outcome.scores} == {None, "blank", "untrained", "shuffled"}
    assert outcome.more["robustness"]
    asked.clear()
    assert evaluate_checkpoints(evaluation, watch)[1].read_bytes() == first
    assert asked == [f"{name} 1/1" for name in ("warm-up", "full@10", "full@20", "full")]


def test_a_single_checkpoint_makes_no_curve(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "run" / "checkpoints" / "full", tmp_path / "checkpoints" / "full")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    evaluation = Evaluation(load_tasks(str(place / "task.yaml")), tmp_path / "out", tmp_path)
    with pytest.raises(UserError, match="this run has 1") as caught:
        evaluate_checkpoints(evaluation)
    assert "keep_every" in caught.value.fix
