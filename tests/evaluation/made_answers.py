"""Answers of made-up models in the shape of the predictions table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa

from polysee.evaluation.items import Answers, build_answers
from polysee.evaluation.predictions import PREDICTION_SCHEMA

TAGS = ("am", "ar", "hi", "th", "zh-Hant")


def row(task: str, language: str, number: int, score: float, **other: Any) -> dict[str, Any]:
    """One answer about picture ``number``; the sample is the picture's, the task's and the language's own."""
    base = {
        "sample": f"{task}-{language}-{number}",
        "task": task,
        "language": language,
        "split": "scenes",
        "metric": "choice",
        "mode": "multilingual",
        "cluster": f"picture-{number}",
        "group": "",
        "tags": [],
        "gold": "قطة",
        "answer": "猫",
        "score": float(score),
        "parsed": True,
        "wrong_language": False,
        "chance": 0.25,
        "option_scores": [],
        "draws": [],
        "curve": [],
        "tokens": [],
        "tokens_in": 0,
        "cost": 0.0,
        "failure": "",
        "fingerprint": "f",
        "unit": 0,
    }
    return base | other


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=PREDICTION_SCHEMA)


def answers(rows: Sequence[Mapping[str, Any]], name: str = "model", **seen: Any) -> Answers:
    return build_answers(table(rows), path=Path(name), seen=seen or None)


def model(
    seed: int, *, pictures: int = 60, tags: Sequence[str] = TAGS, tasks: Sequence[str] = ("naming",), rate: float = 0.6
) -> list[dict[str, Any]]:
    """Answers that are right with probability ``rate``, each drawn alone, but for how hard a picture is."""
    easy = np.clip(np.random.default_rng(0).normal(rate, 0.15, pictures), 0, 1).tolist()
    rng = np.random.default_rng(seed)
    return [
        row(task, tag, number, float(rng.random() < easy[number]))
        for task in tasks
        for tag in tags
        for number in range(pictures)
    ]


def write(path: Path, rows: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]] | None = None) -> Path:
    """A folder as ``polysee eval`` leaves it."""
    import json

    path.mkdir(parents=True, exist_ok=True)
    lance.write_dataset(table(rows), str(path / "predictions.lance"))
    if scores is not None:
        (path / "scores.json").write_text(json.dumps({"tasks": list(scores), "macro": {}}), encoding="utf-8")
    return path
