"""Levels against the cases of Unicode's annex 9 that texts of two scripts meet."""

from __future__ import annotations

import pytest

from polysee.media.bidi import base_level, levels_of


@pytest.mark.parametrize(
    ("text", "level"), [("abc", 0), ("אבג", 1), ("مرحبا abc", 1), ("123 א", 1), ("123!", 0), ("", 0)]
)
def test_base_level_is_that_of_the_first_strong_character(text: str, level: int) -> None:
    assert base_level(text) == level


@pytest.mark.parametrize(
    ("text", "base", "levels"),
    [
        ("ab גד", 0, "00011"),
        ("גד ab", 1, "11122"),
        # Between two right-to-left words a space is right-to-left, at the end of a left-to-right line it is not.
        ("אב גד ", 0, "111110"),
        # Numbers run to the right inside a right-to-left line; so do their separators and unit signs.
        ("אב 1,5%", 1, "1112222"),
        ("ab 1,5", 0, "000000"),
        ("ا 12:30", 1, "1122222"),
        ("אב 12 גד", 0, "11122111"),
        # A mark stays with its letter.
        ("a א\u05b8b", 0, "00110"),
        ("%5 א", 1, "2211"),
        ("猫 قط 犬", 0, "001100"),
    ],
)
def test_levels(text: str, base: int, levels: str) -> None:
    assert "".join(map(str, levels_of(text, base))) == levels
