from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from polysee.evaluation.predictions import PREDICTION_SCHEMA
from polysee.evaluation.scores import build_scores, training_exposure, write_scores
from polysee.schema.arrow import to_table
from tiny_model import question

FIELDS = [
    "task", "language", "metric", "split", "baseline", "n", "value", "low", "high", "chance", "unparsed",
    "wrong_language", "seen",
]  # fmt: skip
SEEN: Any = {"ar": "vl", "zh": "vl", "uk": "text"}


def _rows(
    task: str, language: str, right: list[int], *, baseline: str | None = None, split: str = "scenes", **other: Any
) -> list[dict[str, Any]]:
    base = {
        "task": task,
        "language": language,
        "split": split,
        "baseline": baseline,
        "metric": "choice",
        "answer": "x",
        "parsed": True,
        "wrong_language": False,
        "chance": 0.25,
        "option_scores": [-1.0, -2.0, -3.0, -4.0],
        "variant": None,
        "mode": "multilingual",
        "group": "",
        "tags": [],
        "gold": "x",
        "draws": [],
        "curve": [],
        "tokens": [],
        "tokens_in": 0,
        "cost": 0.0,
        "failure": "",
        "fingerprint": "f",
        "unit": 0,
    } | other
    return [
        {**base, "sample": f"{task}{language}{split}{i}", "cluster": f"image-{i}", "score": float(score)}
        for i, score in enumerate(right)
    ]


def _predictions() -> list[dict[str, Any]]:
    return [
        *_rows("naming", "ar", [1, 1, 0, 1]),
        *_rows("colour", "ar", [1, 0, 0, 0]),
        *_rows("naming", "zh", [1, 1, 1, 1]),
        *_rows("naming", "zh", [0, 1, 0, 0], baseline="blank"),
        *_rows("naming", "ar", [0, 0, 0, 0], baseline="blank"),
        *_rows("naming", "ar", [0, 0, 1, 1], split="concepts"),
        *_rows("naming", "uk", [1, 0, 0, 0], split="languages"),
        *_rows("naming", "vi", [0, 0, 0, 1], split="languages"),
        *_rows("matching", "zh", [0, 0], chance=0.5, option_scores=[-1.0, -2.0]),
        *_rows("reading", "zh", [1, 0], metric="exact_match", chance=None, option_scores=[], wrong_language=True),
        *_rows(
            "reading", "zh", [0], metric="exact_match", chance=None, option_scores=[], parsed=False, split="concepts"
        ),
    ]


def _build(rows: list[dict[str, Any]]) -> tuple[Any, Any]:
    return build_scores(pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA), SEEN, resamples=300, seed=1)


def test_rows_have_the_documented_fields_in_sorted_order() -> None:
    scores, _ = _build(_predictions())
    rows = [score.row() for score in scores]
    assert all(list(row) == FIELDS for row in rows)
    assert len(rows) == 11
    order = [(r["task"], r["split"], r["language"], r["baseline"] or "") for r in rows]
    assert order == sorted(order)
    naming = next(
        r for r in rows if (r["task"], r["language"], r["split"], r["baseline"]) == ("naming", "ar", "scenes", None)
    )
    assert (naming["n"], naming["value"], naming["chance"], naming["seen"]) == (4, 0.75, 0.25, "vl")
    assert 0.0 <= naming["low"] < 0.75 < naming["high"] <= 1.0
    reading = {r["split"]: r for r in rows if r["task"] == "reading"}
    assert (reading["scenes"]["wrong_language"], reading["scenes"]["unparsed"]) == (1.0, 0.0)
    assert (reading["concepts"]["unparsed"], reading["concepts"]["chance"]) == (1.0, None)
    assert {r["language"]: r["seen"] for r in rows} == {"ar": "vl", "zh": "vl", "uk": "text", "vi": "none"}


def test_macro_is_over_four_way_scenes_of_languages_seen_with_pictures() -> None:
    _, macro = _build([*_predictions(), *_rows("naming", "uk", [0, 0, 0, 0])])
    assert macro["four_way"] == pytest.approx(((0.75 + 0.25) / 2 + 1.0) / 2)
    assert macro["four_way_low"] <= macro["four_way"] <= macro["four_way_high"]
    assert macro["tasks"] == ["colour", "naming"]
    assert macro["languages"]["ar"]["value"] == 0.5
    assert (macro["languages"]["uk"]["split"], macro["languages"]["uk"]["value"]) == ("scenes", 0.0)
    assert (macro["languages"]["vi"]["split"], macro["languages"]["vi"]["seen"]) == ("languages", "none")
    blank = macro["baselines"]["blank"]
    assert (blank["value"], blank["n"]) == (0.125, 8)
    assert blank["low"] <= 0.125 <= blank["high"]


def test_macro_can_be_had_from_the_rows() -> None:
    scores, macro = _build(_predictions())
    cells: dict[str, list[float]] = {}
    for score in scores:
        if score.split == "scenes" and score.baseline is None and score.chance == 0.25 and score.seen == "vl":
            cells.setdefault(score.language, []).append(score.value)
    assert macro["four_way"] == pytest.approx(sum(sum(v) / len(v) for v in cells.values()) / len(cells), abs=1e-6)


def test_nothing_four_way_has_no_macro() -> None:
    _, macro = _build(_rows("reading", "zh", [1, 0], metric="exact_match", chance=None, option_scores=[]))
    assert macro["four_way"] is None
    assert macro["four_way_low"] is None
    assert (macro["languages"], macro["baselines"], macro["tasks"]) == ({}, {}, [])
    scores, _ = _build([])
    assert scores == []


def test_order_of_the_predictions_does_not_change_a_byte(tmp_path: Path) -> None:
    rows = _predictions()
    write_scores(tmp_path / "a.json", *_build(rows))
    random.Random(0).shuffle(rows)
    write_scores(tmp_path / "b.json", *_build(rows))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert set(content) == {"tasks", "macro"}
    assert len(content["tasks"]) == 11
    floats = [v for row in content["tasks"] for v in row.values() if isinstance(v, float)]
    assert all(round(value, 6) == value for value in floats)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".json"] == []


def test_exposure_follows_the_training_split_alone() -> None:
    table = to_table(
        [
            question("ar", 1, split="train"),
            question("ar", 2, split="train", media=0),
            question("zh", 1, split="train", media=0),
            question("th", 1, split="scenes"),
        ]
    )
    assert training_exposure(table.to_batches(max_chunksize=1)) == {"ar": "vl", "zh": "text"}
    assert training_exposure([]) == {}
