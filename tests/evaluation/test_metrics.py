from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation.metrics import compute, names, sentence_chrf

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "vector", VECTORS, ids=lambda v: f"{v['metric']}-{v['mode']}-{v['language']}-{v['prediction']}"
)
def test_vector(vector: dict[str, Any]) -> None:
    found = compute(
        vector["metric"],
        vector["prediction"],
        vector["references"],
        language=vector["language"],
        mode=vector["mode"],
    )
    want = vector["value"]
    assert found is None if want is None else found == pytest.approx(want, abs=2e-3)


def test_every_metric_has_vectors() -> None:
    assert {vector["metric"] for vector in VECTORS} == set(names())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'exact'.*bbox_parse, chrf, exact_match"):
        compute("exact", "a", ["a"])
    with pytest.raises(ValueError, match="official, multilingual"):
        compute("iou", [0, 0, 1, 1], [0, 0, 1, 1], mode="loose")  # type: ignore[arg-type]


def test_chrf_does_not_see_how_accents_are_encoded() -> None:
    composed, decomposed = "Việt Nam", "Vie\u0323\u0302t Nam"
    assert compute("chrf", [decomposed], [[composed]]) == pytest.approx(100.0)
    assert compute("chrf", [decomposed], [[composed]], mode="official") < 90  # type: ignore[operator]
    assert sentence_chrf(decomposed, [composed]) == pytest.approx(1.0)


@given(st.text())
def test_a_text_matches_itself_and_nothing_matches_an_empty_answer(text: str) -> None:
    same = compute("exact_match", text, [text])
    assert same == 1.0 or not any(char.isalnum() for char in text)
    assert compute("exact_match", "", [text]) == 0.0


boxes = st.tuples(*[st.floats(-10, 10) for _ in range(4)])


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    value = compute("iou", first, second)
    assert isinstance(value, float)
    assert 0.0 <= value <= 1.0 + 1e-9
    assert value == compute("iou", second, first)


@pytest.mark.parametrize("box", [[0, 0, 1], [0, 0, 1, float("nan")], [0, 0, 1, float("inf")]])
def test_iou_refuses_what_is_no_box(box: list[float]) -> None:
    with pytest.raises(ValueError, match="four finite numbers"):
        compute("iou", box, [0, 0, 1, 1])


@given(
    st.lists(st.integers(-2000, 2000), min_size=4, max_size=4), st.sampled_from(["[{}]", "box: ({})", "{}", "【{}】"])
)
def test_written_boxes_are_read_back(values: list[int], frame: str) -> None:
    assert compute("bbox_parse", frame.format(", ".join(map(str, values))), None) == [float(v) for v in values]


@given(st.text())
def test_any_text_can_be_parsed_or_refused(text: str) -> None:
    box = compute("bbox_parse", text, None)
    assert box is None or (isinstance(box, list) and len(box) == 4)
    number = compute("unicode_number", text, None)
    assert number is None or isinstance(number, float)
