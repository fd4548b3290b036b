"""Majorities and candidates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.schema.errors import BadRecord
from polysee.sources.families.answers import chosen, few_options, majority, said, sayings

TEXT = st.text(min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(["no", "yes", "yes"], "yes"), (["قطة", "كلب"], "قطة"), (["b", "a", "a", "b"], "b"), (["", "x"], "x")],
)
def test_majority(answers: list[str], expected: str) -> None:
    assert majority(answers) == expected


def test_no_answer_is_no_majority() -> None:
    with pytest.raises(BadRecord, match="empty-answer"):
        majority(["", ""])


@given(st.lists(TEXT, unique=True, min_size=3, max_size=40), st.integers(2, 12), st.data())
def test_few_options(candidates: list[str], count: int, data: st.DataObject) -> None:
    gold = data.draw(st.sampled_from(candidates))
    found = few_options(gold, candidates, count, seed=3, key="n")
    assert gold in found
    assert len(set(found)) == len(found) == min(count, len(candidates))
    assert set(found) <= set(candidates)
    assert found == few_options(gold, candidates, count, seed=3, key="n")


def test_options_differ_by_record_and_the_right_one_has_no_place_of_its_own() -> None:
    names = [f"菜{n}" for n in range(208)]
    drawn = [few_options("菜7", names, 4, seed=0, key=str(n)) for n in range(400)]
    places = [one.index("菜7") for one in drawn]
    assert all(70 < places.count(place) < 130 for place in range(4))
    assert len({name for one in drawn for name in one}) > 190
    assert drawn != [few_options("菜7", names, 4, seed=1, key=str(n)) for n in range(400)]


def test_gold_must_be_a_candidate() -> None:
    for count in (2, 9):
        with pytest.raises(BadRecord, match="bad-option"):
            few_options("x", ["a", "b", "c"], count, seed=0, key="n")


@pytest.mark.parametrize("index", [-1, 2, True, "0", None, 0.0])
def test_positions_outside(index: object) -> None:
    with pytest.raises(BadRecord, match="bad-option"):
        chosen(("a", "b"), index, "answer")


@pytest.mark.parametrize(
    ("value", "expected"), [(4.0, "4"), (0.5, "0.5"), (7, "7"), (True, "true"), (" é ", "é"), (1e300, str(int(1e300)))]
)
def test_numbers_are_said(value: object, expected: str) -> None:
    assert said(value, "answer") == expected


def test_lists_of_answers() -> None:
    assert sayings([{"answer": "a"}, "b", 3], "answers") == ("a", "b", "3")
    with pytest.raises(BadRecord, match="wrong-type"):
        sayings([{"other": "a"}], "answers")
