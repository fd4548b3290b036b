from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation.extraction.quality import endless_repetition, flags, truncated, wrong_language

PORTUGUESE = "O cachorro marrom está correndo no campo verde ao lado da casa vermelha."
ARABIC = "الكلب البني يركض في الحقل الأخضر بجانب البيت الأحمر الكبير."


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("the cat " * 10, True),
        ("the cat " * 10 + "the c", True),
        ("Well. " + "一只猫在这里。" * 8, True),
        ("ฮ" * 60, True),
        ("قطة على السجادة، " * 6, True),
        ("the cat sat on the mat", False),
        ("no no no", False),
        ("-" * 80, False),
        ("-" * 300, True),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17", False),
        ("the cat " * 10 + "and then it stopped, for good.", False),
        ("", False),
    ],
)
def test_endless_repetition(text: str, repeats: bool) -> None:
    assert endless_repetition(text) is repeats


@given(
    st.text(alphabet="abcdé猫ق ", min_size=3, max_size=30).filter(lambda t: any(c.isalnum() for c in t.strip())),
    st.text(max_size=50),
)
def test_every_unit_that_goes_on_is_found(unit: str, start: str) -> None:
    assert endless_repetition(start + unit * 40)


@pytest.mark.parametrize(
    ("text", "finish", "cut"),
    [
        ("short", None, False),
        ("short", "length", True),
        ("x" * 500, "stop", False),
        ("<think>so", None, True),
        ("```python\nprint(", None, True),
        ("\\boxed{3", None, True),
        (ARABIC * 5, None, False),
        (ARABIC * 5 + " ثم ذهب", None, True),
        ("แมวนั่งบนเสื่อสีแดง " * 20, None, None),
        ("画像には犬がいます。" * 30, None, False),
    ],
)
def test_truncated(text: str, finish: str | None, cut: bool | None) -> None:
    assert truncated(text, finish=finish) is cut


def test_wrong_language() -> None:
    assert wrong_language(PORTUGUESE, "pt-BR") is False
    assert wrong_language(PORTUGUESE, "de") is True
    assert wrong_language(PORTUGUESE, "ar") is True
    assert wrong_language(ARABIC, "ar") is False
    assert wrong_language("<think>The dog is running over there.</think>" + ARABIC, "ar") is False
    assert wrong_language("ok", "de") is None


def test_flags_of_one_answer() -> None:
    found = flags("the cat " * 20, "ar", finish="length")
    assert (found.empty, found.wrong_language, found.repetition, found.truncated) == (False, True, True, True)
    assert flags(" ", "ar").empty
