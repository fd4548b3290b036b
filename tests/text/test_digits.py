"""Digits of all scripts, there and back."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.text.digits import to_ascii, to_native, to_system


@pytest.mark.parametrize(
    ("text", "ascii_text"),
    [("٣٫٥", "3.5"), ("١٬٠٠٠", "1,000"), ("۱۲", "12"), ("१२३", "123"), ("๑๒ แมว", "12 แมว"), ("１０", "10"),
     ("𝟗", "9"), ("②", "②"), ("x²", "x²"), ("三", "三"), ("፫", "፫"), ("٫", "٫"), ("[०.२१]", "[0.21]")],
)  # fmt: skip
def test_to_ascii(text: str, ascii_text: str) -> None:
    assert to_ascii(text) == ascii_text


def test_every_decimal_digit_of_unicode() -> None:
    for point in range(sys.maxunicode + 1):
        value = unicodedata.decimal(chr(point), None)
        if value is not None:
            assert to_ascii(chr(point)) == str(value)


@given(st.integers(0, 10**12), st.sampled_from(["arab", "arabext", "deva", "thai", "khmr", "mymr", "fullwide"]))
def test_there_and_back(number: int, system: str) -> None:
    native = to_system(str(number), system)
    assert not native.isascii()
    assert to_ascii(native) == str(number)


def test_native_digits_of_languages() -> None:
    assert to_native("12 cats", "ar") == "١٢ cats"
    assert [to_native("12", t) for t in ("fa", "mr", "hi", "th", "en")] == ["۱۲", "१२", "12", "12", "12"]
    with pytest.raises(ValueError, match="armn"):
        to_system("1", "armn")
