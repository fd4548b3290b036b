"""Conditions over the columns of scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysee.recipe.load import load_recipe
from polysee.schema.errors import UserError

HEAD = """name: x
sources: [{name: a, use: llava, params: {path: a.json, language: en}}]
scores: [{name: length, use: image_size}]
"""


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    load_recipe(path)


@pytest.mark.parametrize(
    "where",
    [
        "min_side BETWEEN 3 AND 500 AND language IN ('no', 'zh-Hant')",
        "task = 'قطة؛;' OR pixels IS NOT NULL",
        "media[1].width >= 64",
        "NOT (split = 'train' AND turns IS NULL)",
    ],
)
def test_conditions_over_samples_and_scores(where: str, tmp_path: Path) -> None:
    load(tmp_path, f'select: [{{name: s, where: "{where}"}}]\n')


def test_a_later_select_sees_an_earlier_one(tmp_path: Path) -> None:
    load(tmp_path, "select: [{name: one, where: min_side > 3}, {name: two, where: NOT keep_one}]\n")
    with pytest.raises(UserError, match="there is no column `keep_two`"):
        load(tmp_path, "select: [{name: one, where: keep_two}, {name: two, where: min_side > 3}]\n")


@pytest.mark.parametrize(
    ("where", "cause", "fix"),
    [
        ("mn_side > 3", "there is no column `mn_side`", "did you mean `min_side`?"),
        ("min_side > 'long'", "this is not a valid SQL condition", "write a condition"),
        (
            "min_side >",
            "this is not a valid SQL condition: sql parser error: Expected: an expression, found: EOF",
            "",
        ),
        ("min_side + 1", "this is not a condition", "compare something"),
        ("min_side > 3; DELETE FROM samples", "a predicate has no `;`", "write one condition"),
    ],
)
def test_conditions_that_cannot_work(where: str, cause: str, fix: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, f'select: [{{name: s, where: "{where}"}}]\n')
    assert cause in caught.value.cause
    assert fix in caught.value.fix
    assert ".rs" not in str(caught.value)


def test_the_same_score_twice(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(HEAD.replace("image_size}", "image_size}, {name: again, use: image_size}"))
    with pytest.raises(UserError, match=r"scores\.again: the column `min_side` that this score adds exists already"):
        load_recipe(path)
