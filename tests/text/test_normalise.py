"""The matching key: what it makes equal, and what it must keep apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.text.normalise import key, nfc, squeeze, strip_invisible


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("这是猫。", "这是猫"),
        ("هل هذه قطة؟", "هل هذه قطة"),
        ("قـــطة", "قطة"),
        ("\u200fقطة\u200e", "قطة"),
        ("हाँ।", "हाँ"),
        ("ድመት፧", "ድመት"),
        ("はい！", "はい"),
        ("Ｃａｔ", "cat"),
        ("ｶﾞ", "ガ"),
        ("STRASSE", "straße"),
        ("Don’t", "don't"),
        ("well-known", "well known"),
        ("  two \n words ", "two words"),
        ("é", "e\u0301"),
        ("❤\ufe0f", "❤"),
        ("−5", "-5"),
    ],
)
def test_equal_keys(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("3.5", "35"), ("-5", "5"), ("?", "!"), ("がき", "かき"), ("ปี", "ปู"), ("mà", "má"), ("हिन्दी", "हिनदी"),
     ("أ", "ا"), ("12:30", "1230"), ("می\u200cخواهم", "میخواهم")],
)  # fmt: skip
def test_keys_that_stay_apart(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize("word", ["हिन्दी", "ที่นี่", "ភាសាខ្មែរ", "မြန်မာ", "עִבְרִית", "عَرَبِيّ", "አማርኛ", "தமிழ்"])
def test_vowel_signs_and_marks_survive(word: str) -> None:
    marks = [c for c in nfc(word) if unicodedata.category(c).startswith("M")]
    assert all(mark in key(word) for mark in marks)


def test_turkish_case() -> None:
    assert key("IŞIK", "tr") == key("ışık", "tr")
    assert key("İZMİR", "tr-TR") == key("izmir", "tr")
    assert key("IT") == "it"


def test_squeeze_and_strip() -> None:
    assert squeeze(" a\u3000b\n") == "a b"
    assert strip_invisible("\u2067ab\u2069\u00adc\u200c") == "abc\u200c"


@given(st.text(max_size=40))
def test_a_key_is_its_own_key(text: str) -> None:
    assert key(key(text)) == key(text)
