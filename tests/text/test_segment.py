"""Graphemes, words by script, shares of scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.text.segment import count_graphemes, count_words, graphemes, is_legible, script_share, words


@pytest.mark.parametrize(
    ("text", "count"),
    [("cat", 3), ("ที่นี่", 2), ("がき", 2), ("👨‍👩‍👧", 1), ("🇧🇷", 1), ("e\u0301", 1), ("ድመት", 3), ("", 0)],
)
def test_graphemes(text: str, count: int) -> None:
    assert count_graphemes(text) == count
    assert "".join(graphemes(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop, 3.5 kg!", ["Don't", "stop", "3.5", "kg"]),
        ("猫が好き。", ["猫", "が", "好", "き"]),
        ("カレー", ["カ", "レ", "ー"]),
        ("แมว ๑๒", ["แ", "ม", "ว", "๑๒"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("هل هذه قطة؟", ["هل", "هذه", "قطة"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ድመት፡ነው፧", ["ድመት", "ነው"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("iPhone手机", ["iPhone", "手", "机"]),
        ("...!? 。", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert count_words(text) == len(expected)


def test_script_share() -> None:
    assert script_share("猫です", "Jpan") == 1.0
    assert script_share("قطة cat", "Arab") == 0.5
    assert script_share("cat", "Ethi") == 0.0
    assert script_share("12 !", "Latn") is None
    with pytest.raises(ValueError, match="Qqqq"):
        script_share("a", "Qqqq")


@given(st.text(max_size=60))
def test_words_are_parts_of_the_text_in_order(text: str) -> None:
    at = 0
    for word in words(text):
        at = text.index(word, at) + len(word)


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "٣٫٥",
        "猫。",
        "แมว",
        "የድመት ሥዕል።",
        "[1, 2, 3, 4]",
        "$x^2$",
        r"\frac{a}{b}",
        "«قطة»؟",
        "कि",
        "\ufffc, \ufffc और \ufffc",
    ],
)
def test_legible(text: str) -> None:
    assert is_legible(text)


@pytest.mark.parametrize(
    "text", ["", " ", "…", "。", "]]]] {{{{", "��", "�� a ����", "\u200f", "\ufffc", "]]] <<< ((( 9 )))"]
)
def test_illegible(text: str) -> None:
    assert not is_legible(text)


def test_legible_by_share() -> None:
    assert is_legible("**** 猫", share=0)
    assert not is_legible("**** 猫")
    assert not is_legible("****", share=0)
    assert not is_legible("un perro �", share=0)
