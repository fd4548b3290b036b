from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.services.base import Failure, Segment
from polysee.services.translators.guarded import Guard, translate_texts
from polysee.text.protect import protect


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


MARK = re.compile(r"\[\[\d+\]\]|<x\d+/>|ZXQ\d+")
Vandal = Callable[[list[str], random.Random], list[str]]
"""Changes a written text in tokens, of which every other one is a placeholder."""


def _each(change: Callable[[str], str]) -> Vandal:
    return lambda tokens, rng: [change(one) if n % 2 else one for n, one in enumerate(tokens)]


def _once(change: Callable[[str], str]) -> Vandal:
    """Changes one of the placeholders."""

    def vandal(tokens: list[str], rng: random.Random) -> list[str]:
        places = range(1, len(tokens), 2)
        at = rng.choice(places) if places else -1
        return [change(one) if n == at else one for n, one in enumerate(tokens)]

    return vandal


def _shuffled(tokens: list[str], rng: random.Random) -> list[str]:
    marks = tokens[1::2]
    rng.shuffle(marks)
    return [marks[n // 2] if n % 2 else one for n, one in enumerate(tokens)]


def _swapped_for_another(tokens: list[str], rng: random.Random) -> list[str]:
    """One placeholder is dropped and another stands there twice."""
    marks = tokens[1::2]
    return [rng.choice(marks) if n % 2 and rng.random() < 0.5 else one for n, one in enumerate(tokens)]


DIGITS = {name: str.maketrans("0123456789", digits) for name, digits in {
    "ar": "٠١٢٣٤٥٦٧٨٩", "hi": "०१२३४५६७८९", "th": "๐๑๒๓๔๕๖๗๘๙", "zh": "０１２３４５６７８９",
}.items()}  # fmt: skip
VANDALS: dict[str, Vandal] = {
    "drops one": _once(lambda mark: ""),
    "doubles one": _once(lambda mark: mark * 2),
    "takes one for another": _swapped_for_another,
    "invents one": _once(lambda mark: mark + re.sub(r"\d+", "97", mark)),
    "reorders": _shuffled,
    "capitals": _each(str.upper),
    "small letters": _each(str.lower),
    "spaces inside": _each(lambda mark: " ".join(mark)),
    "no-break spaces inside": _each(lambda mark: "\u00a0".join(mark)),
    "right-to-left marks": _each(lambda mark: "\u200f".join(["\u2067", *mark, "\u2069"])),
    "full-width": _each(lambda mark: "".join(chr(ord(c) + 0xFEE0) for c in mark)),
    "full-width, once": _once(lambda mark: "".join(chr(ord(c) + 0xFEE0) for c in mark)),
    "lenticular": _each(lambda mark: mark.replace("[[", "【").replace("]]", "】")),
    "mirrored": _each(lambda mark: mark.translate(str.maketrans("[]<>", "][><"))),
    "half of the brackets": _once(lambda mark: mark[1:] if mark[0] in "[<" else mark),
    "the other half": _once(lambda mark: mark[:-1] if mark[0] in "[<" else mark),
    "a bracket too many": _once(lambda mark: f"[{mark}]" if mark[0] == "[" else mark),
    "an open bracket": _once(lambda mark: f"{mark} [["),
    "a tag around words": _each(
        lambda mark: (
            f"{mark.replace('/', '')}dog{mark.replace('<x', '</x').replace('/>', '>')}" if mark[0] == "<" else mark
        )
    ),
    "a tag that closes at once": _each(
        lambda mark: mark.replace("/>", ">") + mark.replace("<x", "</x").replace("/>", ">") if mark[0] == "<" else mark
    ),
    "escaped": _each(lambda mark: mark.replace("<", "&lt;").replace(">", "&gt;")),
    "escaped twice": _each(lambda mark: mark.replace("<", "&amp;lt;").replace(">", "&amp;gt;")),
    "backslashes": _each(lambda mark: re.sub(r"([\[\]<>])", r"\\\1", mark)),
    "numbers in words": _each(lambda mark: re.sub(r"\d+", "two", mark)),
    "superscript": _each(lambda mark: re.sub(r"\d", "²", mark)),
    "a leading zero": _each(lambda mark: re.sub(r"(\d+)", r"0\1", mark)),
    "a digit too many": _once(lambda mark: re.sub(r"(\d+)", r"\g<1>1", mark)),
    "transliterated": _each(lambda mark: mark.replace("x", "х").replace("ZXQ", "ЗКК")),
    "bold": _each(lambda mark: f"**{mark}**"),
    **{f"digits of {name}": _each(lambda mark, table=table: mark.translate(table)) for name, table in DIGITS.items()},
}
LANGUAGES = {
    "ar": ("كلب في الحديقة", "قطة؟"), "he": ("כלב בגינה", "חתול."), "zh": ("一只狗在花园里，", "猫。"),
    "ja": ("庭に犬がいる。", "「猫」"), "th": ("หมาอยู่ในสวน", "แมว"), "hi": ("बगीचे में कुत्ता है।", "बिल्ली"),
    "am": ("ውሻ በአትክልት ስፍራ።", "ድመት፣"),
}  # fmt: skip
KEPT = (
    "<image>", "[10, 20, 30, 40]", "［１，２，３，４］", "12", "-3.5", "٣٫٥", "५०", "５．５％", "๑๒", "፲፪", "$x^2_1$",
    r"\(a_1\)", r"\frac{1}{2}", "(A)", "B)", "أ.", "ア．", "`x[[1]]`", "H2O", "<|pad|>",
)  # fmt: skip


class Thorough(Echo):
    """Has every language."""

    def supports(self, source: str, target: str) -> bool:
        return True


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(LANGUAGES)),
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(KEPT)), min_size=1, max_size=14),
    st.sampled_from(sorted(VANDALS)),
    st.integers(0, 10),
)
def test_what_a_vandal_returns_is_whole_or_refused(
    tag: str, parts: list[tuple[int, str]], name: str, seed: int
) -> None:
    """Every piece as often as before and nothing of a placeholder beside them, or a failure that says so."""
    rng = random.Random(seed)
    text = " ".join(f"{LANGUAGES[tag][word]} {piece}" for word, piece in parts)

    def spoil(written: str) -> str:
        marks = MARK.findall(written)
        tokens = [part for pair in zip(MARK.split(written), [*marks, ""], strict=True) for part in pair][:-1]
        return "".join(VANDALS[name](tokens, rng))

    (found,) = translate_texts(Thorough(spoil), [Segment(text, tag, "en" if tag != "en" else "ar")])
    if isinstance(found, Failure):
        assert found.reason == "placeholder-lost"
        return
    for piece in {piece.text for piece in protect(text).pieces}:
        assert found.count(piece) == text.count(piece), (piece, found)
    for broken in ("[[", "]]", "［［", "【", "zxq", "ｚｘｑ", "<x", "</x", "x1", "&lt;", "&amp;"):
        assert found.lower().count(broken) <= text.lower().count(broken), (broken, found)


@pytest.mark.parametrize("name", ["capitals", "small letters", "spaces inside", "a leading zero", "lenticular"])
def test_a_harmless_translator_is_understood_at_once(name: str) -> None:
    text = "كلب [1, 2, 3, 4] و 12 قطة"
    echo = Thorough(lambda written: MARK.sub(lambda mark: VANDALS[name](["", mark[0]], random.Random(0))[1], written))
    assert translate_texts(echo, [Segment(text, "ar", "am")]) == [text]
    assert echo.calls == 1


@pytest.mark.parametrize("reply", ["���", "]]]] {{{{", "…", "。", "?!", "[[1]]"])
def test_punctuation_is_no_translation(reply: str) -> None:
    failure = _one("see 5 dogs", lambda text: reply + ("" if "[[1]]" in reply else "[[1]]"))
    assert isinstance(failure, Failure)
    assert failure.reason in ("empty-translation", "placeholder-lost")
    assert _one("two", lambda text: "2") == "2"
