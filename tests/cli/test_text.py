"""Text in a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.cli.text import count, duration, isolate, plain, size, table


def test_right_to_left_text_is_isolated() -> None:
    assert isolate("قطة 3") == "\u2068قطة 3\u2069"


@pytest.mark.parametrize("text", ["हिन्दी", "ክፍል", "ภาษาไทย", "می\u200cخواهم", "👩\u200d🚀", "日本語", "שָׁלוֹם"])
def test_words_stay_as_they_are(text: str) -> None:
    assert isolate(text)[1:-1] == text
    assert plain(text) == text


def test_terminal_commands_and_bidi_tricks_are_shown_not_obeyed() -> None:
    assert isolate("a\x1b[2Jb\nc") == "\u2068a<U+001B>[2Jb⏎c\u2069"
    assert isolate("\u202eabc\u2069") == "\u2068<U+202E>abc<U+2069>\u2069"
    assert plain("a\x1b]0;x\x07\nb") == "a<U+001B>]0;x<U+0007>\nb"


@given(st.text())
def test_nothing_leaves_the_isolate_or_the_line(text: str) -> None:
    inside = isolate(text)[1:-1]
    assert not {"\n", "\r", "\u2028", "\u2029", "\x1b", "\u2066", "\u2067", "\u2068", "\u2069"} & set(inside)
    assert all(unicodedata.category(character) not in ("Cc", "Zl", "Zp") for character in inside)


def test_numbers_for_people() -> None:
    assert [count(None), count(12345), count(12345, at_most=True)] == ["-", "12,345", "≤12,345"]
    assert [size(None), size(999), size(1500), size(2_500_000_000), size(10**15)] == [
        "-", "999 B", "1.5 kB", "2.5 GB", "1000.0 TB",
    ]  # fmt: skip
    assert [duration(None), duration(41.2), duration(180), duration(9000)] == ["-", "41 s", "3 min", "2.5 h"]


def test_columns_line_up() -> None:
    assert table([("step", "rows"), ("a", "1"), ("bcdef", "12,345")], right=frozenset({1})) == (
        "step     rows\na           1\nbcdef  12,345"
    )
