from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.services.base import Failure, Segment
from polysee.services.translators.guarded import Guard, translate_texts


class Echo:
    """A translator that does to each text what it is told to; it has every language but Thai."""

    name, model, licence = "echo", "echo", ""

    def __init__(self, does: Callable[[str], str] = str.swapcase) -> None:
        self.does = does
        self.asked: list[Segment] = []
        self.calls = 0

    def supports(self, source: str, target: str) -> bool:
        return "th" not in (source, target)

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        self.calls += 1
        self.asked += segments
        return [Failure("refused", "it says no") if "no" in s.text else self.does(s.text) for s in segments]


def _one(text: str, does: Callable[[str], str] = str.swapcase, target: str = "es", source: str = "en") -> str | Failure:
    return translate_texts(Echo(does), [Segment(text, source, target)])[0]


def test_marks_numbers_and_lines_come_through() -> None:
    text = "<image>\n  How many dogs are at [10, 20, 30, 40]? It is 3.5 or $x^2$.\n\n(A) a dog\n(B) `two` cats\n"
    expected = "<image>\n  hOW MANY DOGS ARE AT [10, 20, 30, 40]? iT IS 3.5 OR $x^2$.\n\n(A) A DOG\n(B) `two` CATS\n"
    assert _one(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "<image>", "12", "(A)", "B", "<image>\n[1, 2, 3, 4]", "٣٫٥", "https://a.b"])
def test_what_has_no_words_is_not_asked(text: str) -> None:
    echo = Echo()
    assert translate_texts(echo, [Segment(text, "en", "es")]) == [text]
    assert echo.asked == []


def test_equal_sentences_are_asked_once() -> None:
    echo = Echo()
    texts = ["4 dogs. A cat!", "5 dogs. A cat!", "A cat!"]
    assert translate_texts(echo, [Segment(t, "en", "es") for t in texts]) == [
        "4 DOGS. a CAT!",
        "5 DOGS. a CAT!",
        "a CAT!",
    ]
    assert [s.text for s in echo.asked] == ["[[1]] dogs.", "A cat!"]


def test_a_lost_placeholder_is_tried_in_another_form_and_then_fails() -> None:
    brackets_lost = Echo(lambda text: text.replace("[[1]]", ""))
    assert translate_texts(brackets_lost, [Segment("5 dogs", "en", "ar"), Segment("a cat", "en", "ar")]) == [
        "5 dogs",
        "a cat",
    ]
    assert [s.text for s in brackets_lost.asked] == ["[[1]] dogs", "a cat", "<x1/> dogs"]
    all_lost = Echo(lambda text: "كلاب")
    failure = translate_texts(all_lost, [Segment("5 dogs", "en", "ar")])[0]
    assert isinstance(failure, Failure)
    assert failure.reason == "placeholder-lost"
    assert all_lost.calls == 3
    once = Echo(lambda text: "كلاب")
    assert isinstance(translate_texts(once, [Segment("5 dogs", "en", "ar")], Guard(forms=("tag",)))[0], Failure)
    assert once.calls == 1


@pytest.mark.parametrize("does", [lambda text: f"{text} <image>", lambda text: text + text, lambda text: ""])
def test_invented_doubled_and_empty_answers_fail(does: Callable[[str], str]) -> None:
    assert isinstance(_one("see <image> and 5 dogs", does), Failure)


def test_failures_of_the_translator_are_handed_on_alone() -> None:
    found = translate_texts(Echo(), [Segment("yes. no.", "en", "es"), Segment("yes.", "en", "es")])
    assert found == [Failure("refused", "it says no"), "YES."]


def test_languages() -> None:
    assert _one("a dog", target="en") == "a dog"
    failure = _one("a dog", target="th")
    assert isinstance(failure, Failure)
    assert failure.reason == "unsupported-language"
    assert _one("一只狗。两只猫。", lambda text: "A dog.", source="zh", target="en") == "A dog. A dog."
    assert _one("A dog. A cat.", lambda text: "狗。", target="zh") == "狗。狗。"


def test_kinds_and_length_can_be_set() -> None:
    echo = Echo()
    guard = Guard(kinds=("image",), longest=20)
    translate_texts(echo, [Segment("<image> 5 dogs run in the park, and a cat sleeps", "en", "es")], guard)
    assert [s.text for s in echo.asked] == ["5 dogs run in the", "park, and a cat", "sleeps"]


WORDS = (
    "كلب",
    "כלב",
    "狗。",
    "犬です。",
    "หมา ",
    "कुत्ता।",
    "ውሻ።",
    "dog.",
    "<image>",
    "12",
    "٣٫٥",
    "[1, 2, 3, 4]",
    "(A)",
    "`x`",
    "$y$",
)


@given(st.lists(st.sampled_from(WORDS), max_size=10), st.sampled_from([" ", "\n", ""]))
def test_a_true_copy_is_the_text(words: list[str], between: str) -> None:
    text = between.join(words)
    assert _one(text, lambda one: one, source="hi", target="ne") == text
