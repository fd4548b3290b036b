"""Worse pictures and checkpoints on the page: there if they were measured, and not otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest
from markup import Element, parse

from polysee.report import lines, write_report
from polysee.report.checkpoints import checkpoints
from polysee.report.data import gather
from polysee.report.files import Spot
from polysee.report.worse import worse

CHECKPOINTS = [
    {"name": "align", "stage": "align", "step": 20, "steps": 20},
    {"name": "tune@10", "stage": "tune", "step": 10, "steps": 30},
    {"name": "tune", "stage": "tune", "step": 30, "steps": 50},
]


def _curves(*values: float) -> dict[str, Any]:
    points = [{"value": value, "low": value - 0.1, "high": value + 0.1} for value in values]
    names = [(None, None), (None, "ar"), (None, "th"), ("naming", None), ("naming", "ar"), ("naming", "th")]
    curves = [{"ability": one, "language": tag, "chance": 0.25, "points": points} for one, tag in names]
    return {"checkpoints": CHECKPOINTS, "curves": curves}


def _worse(language: str | None, ability: str | None, level: int, change: float, p: float) -> dict[str, Any]:
    numbers = {"clean": 0.8, "value": 0.8 + change, "change": change, "low": change - 0.05, "high": change + 0.05}
    key = {"distortion": "blur", "level": level, "language": language, "ability": ability}
    return {**key, "n": 40, "p": p, **numbers}


@pytest.fixture
def measured(copy: Path) -> Path:
    path = copy / "scores.json"
    scores = json.loads(path.read_text(encoding="utf-8"))
    scores["tasks"] += [{**row, "variant": "blur-3", "value": 0.0, "low": 0.0} for row in scores["tasks"][:3]]
    steps = ((1, 0.0, 1.0), (2, -0.125, 0.01), (3, -0.5, 0.0001))
    groups = ((None, None), ("ar", None), ("zh-Hant", None), (None, "reading_signs"))
    scores["robustness"] = [_worse(*group, *step) for group in groups for step in steps]
    path.write_text(json.dumps(scores), encoding="utf-8")
    (copy / "curves.json").write_text(json.dumps(_curves(0.3, 0.6, 0.5)), encoding="utf-8")
    beside = copy / "eval" / "my-task"
    beside.mkdir(parents=True)
    (beside / "curves.json").write_text(json.dumps(_curves(0.1, 0.2, 0.3)), encoding="utf-8")
    return copy


def _section(page: str, name: str) -> Element:
    [found] = [one for one in parse(page).all("section") if one.attributes.get("id") == name]
    return found


def test_neither_is_there_where_nothing_was_measured(page: str) -> None:
    ids = [one.attributes.get("id") for one in parse(page).all("section")]
    assert "worse" not in ids
    assert "checkpoints" not in ids
    assert "#worse" not in page


def test_changes_by_level_and_language(measured: Path) -> None:
    section = _section(write_report(measured).read_text(encoding="utf-8"), "worse")
    overall, by_ability, by_language = section.all("table")
    assert "reading signs" in by_ability.text
    assert [cell.text for cell in overall.all("tbody")[0].all("b")] == ["+0.0", "−12.5", "−50.0"]
    assert "−17.5 to −7.5" in overall.text
    assert overall.text.count("not distinguishable from no change") == 1
    assert [bdi.attributes["lang"] for bdi in by_language.all("bdi", "autonym")] == ["ar", "zh-Hant"]


def test_curves_by_ability_and_language(measured: Path) -> None:
    section = _section(write_report(measured).read_text(encoding="utf-8"), "checkpoints")
    labels = [svg.attributes["aria-label"] for svg in section.all("svg")]
    for text in ("naming: from 30.0 to 50.0", "Arabic: from 30.0 to 50.0", "naming in Thai: from 10.0 to 30.0"):
        assert any(label.startswith(text) for label in labels), (text, labels)
    assert "30.0 → (+20.0), best at 50.0 tune@10" in section.text
    assert "my-task" in [bdi.text for bdi in section.all("bdi")]
    assert len(checkpoints(gather(measured))) == 2


def test_other_sections_know_nothing_of_worse_pictures(measured: Path, finished: Path) -> None:
    path = measured / "predictions.lance"
    rows = lance.dataset(str(path)).to_table()
    blurred = rows.set_column(
        rows.schema.get_field_index("variant"), rows.schema.field("variant"), pa.array(["blur-3"] * len(rows))
    )
    lance.write_dataset(blurred, str(path), mode="append")
    page = write_report(measured).read_text(encoding="utf-8")
    before = (finished / "report.html").read_text(encoding="utf-8")
    for name in ("scores", "gallery"):
        assert _section(page, name).text == _section(before, name).text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("curves.json", "{"),
        ("curves.json", '{"checkpoints": [], "curves": []}'),
        ("curves.json", json.dumps({**_curves(0.1, 0.2), "checkpoints": CHECKPOINTS})),
        ("eval/x/scores.json", '{"robustness": [{"level": 1}]}'),
        ("eval/x/scores.json", "[]"),
    ],
)
def test_what_cannot_be_read_is_said(copy: Path, name: str, content: str) -> None:
    (copy / name).parent.mkdir(parents=True, exist_ok=True)
    (copy / name).write_text(content, encoding="utf-8")
    material = gather(copy)
    assert worse(material) == checkpoints(material) == ()
    assert any(name.rpartition("/")[2] in note for note in material.files.notes)


def test_names_below_a_curve_do_not_touch_and_the_last_one_stays() -> None:
    spots = [Spot(value=0.5, low=0.4, high=0.6)] * 40
    drawn = lines.large(spots, range(40), [f"full@{n}" for n in range(40)], None)
    shown = [n for n in range(40) if f">full@{n}<" in drawn]
    assert shown[-1] == 39
    assert 3 < len(shown) <= 9
