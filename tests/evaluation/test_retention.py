"""What a model has kept: without pictures, and in English."""

from __future__ import annotations

import pytest
from made_answers import answers, row

from polysee.evaluation.retention import retention
from polysee.schema.errors import UserError

DRAW = {"resamples": 200, "seed": 0}


def _text(language: str, number: int, score: float) -> dict[str, object]:
    sample = f"text-{language}-{number}"
    return row("facts", language, number, score, sample=sample, cluster=sample)


def test_suites_apart() -> None:
    start = [_text("hi", n, n < 80) for n in range(100)] + [row("naming", "en-GB", n, n < 50) for n in range(100)]
    now = [_text("hi", n, n < 60) for n in range(100)] + [row("naming", "en-GB", n, n < 70) for n in range(100)]
    start += [row("naming", "th", n, 1) for n in range(100)]
    now += [row("naming", "th", n, 0) for n in range(100)]
    found = retention(answers(start), answers(now), **DRAW)
    assert found["text"].overall.value == pytest.approx(-0.2)
    assert found["english"].overall.value == pytest.approx(0.2)
    assert set(found["english"].languages) == {"en-GB"}


def test_tags_name_a_suite() -> None:
    rows = [row("mmlu", "am", n, 1, tags=["suite:text"]) for n in range(10)]
    assert set(retention(answers(rows), answers(rows), **DRAW)) == {"text"}


def test_neither_suite() -> None:
    rows = [row("naming", "th", n, 1) for n in range(10)]
    with pytest.raises(UserError, match="share no questions"):
        retention(answers(rows), answers(rows), **DRAW)
