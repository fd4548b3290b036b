"""VQA's ten answers from the annotation file through a run to what an answer is measured against."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.evaluation.answering import measure
from polysee.evaluation.tasks.data import Material, MediaPack, read_task
from polysee.evaluation.tasks.models import Data, Task
from polysee.recipe.load import load_recipe
from polysee.sources.readback import open_export
from polysee.store.exports.selection import Wanted
from polysee.store.exports.write import Request, export
from polysee.store.run import RunStore

RECIPE = """
name: annotators
sources:
  - name: vqa
    use: vqa-v2
    params: {{annotations: {0}/answers.json, questions: {0}/questions.json, images: {0}, split: evaluation}}
"""
ANSWERS = {1: ["down", "down", "at table", "table", *["down"] * 6], 2: ["قطة"] * 10}


def _files(folder: Path) -> Path:
    target = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(target, "PNG")
    (folder / "train2014").mkdir()
    (folder / "train2014" / "COCO_train2014_000000000007.jpg").write_bytes(target.getvalue())
    asked = [{"question_id": n, "image_id": 7, "question": f"What is thing {n}?"} for n in ANSWERS]
    given = [
        {"question_id": n, "image_id": 7, "answers": [{"answer": one} for one in ten]} for n, ten in ANSWERS.items()
    ]
    for name, content in (
        ("questions", {"questions": asked}),
        ("answers", {"annotations": given}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def _run(folder: Path) -> RunStore:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(_files(folder)), encoding="utf-8")
    with RunStore(folder / "runs" / "one") as store:
        run_steps(build_steps(load_recipe(path)), store, workers=0)
    return RunStore.open_read_only(folder / "runs" / "one")


def _golds(data: Data, material: Material) -> list[tuple[str, ...]]:
    return [one.golds for one in read_task(Task(name="vqa", data=data, metrics=("vqa_accuracy",)), material)]


def test_ten_answers_are_what_an_answer_is_measured_against(tmp_path: Path) -> None:
    run = _run(tmp_path)
    material = Material(MediaPack(tmp_path / "media.pack"), run)
    own = {"annotations": "answers.json", "questions": "questions.json", "images": "."}
    params = {name: str(tmp_path / value) for name, value in own.items()}
    of_run = _golds(Data(splits=("evaluation",)), material)
    assert of_run == _golds(Data(use="vqa-v2", params={**params, "split": "evaluation"}), material)
    assert [(golds[0], sorted(golds)) for golds in of_run] == [
        ("down", sorted(ANSWERS[1])),
        ("قطة", ANSWERS[2]),
    ]
    assert measure("vqa_accuracy", "table", of_run[0], "en") == (pytest.approx(0.3), True)
    assert measure("vqa_accuracy", "down", of_run[0], "en") == (1.0, True)
    (tmp_path / "own.jsonl").write_text('{"question": "Where?", "answer": ["down", "table"]}\n', encoding="utf-8")
    assert _golds(Data(path=str(tmp_path / "own.jsonl"), language="en"), material) == [("down", "table")]


def test_an_export_brings_them_back_or_says_that_it_cannot(tmp_path: Path) -> None:
    run = _run(tmp_path)
    lines = {"parquet": "every field of the 2 samples", "llava": "references: not kept in 2 of 2 samples"}
    for kind, line in lines.items():
        outcome = export(run, Request(kind, tmp_path / kind, Wanted(splits=("evaluation",))), open_export)
        assert any(line in said for said in outcome.lines()), outcome.lines()
        assert outcome.comparison.other_id == 0
