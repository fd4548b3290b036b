"""Names and numbers out of the CLDR: those that can stand alone, and no others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from polysee.schema.errors import UserError
from polysee.sources.microworld import cldr

ANNOTATIONS = """<ldml><annotations>
<annotation cp="🐈">pet | whiskers</annotation>
<annotation cp="🐈" type="tts"> \u200fח\u05b7תול\u200e </annotation>
<annotation cp="🌶\ufe0f" type="tts">piment e\u0301pice\u0301</annotation>
<annotation cp="👍🏽" type="tts">thumbs up: medium skin tone</annotation>
<annotation cp="👨" type="tts">man, woman</annotation>
<annotation cp="👩" type="tts">رجل، امرأة</annotation>
<annotation cp="👧" type="tts">男、女</annotation>
<annotation cp="👦" type="tts">男，女</annotation>
<annotation cp="👶" type="tts">男：女</annotation>
<annotation cp="👴" type="tts">مرد؛ زن</annotation>
<annotation cp="⬆" type="tts">↑↑↑</annotation>
<annotation cp="🦋" type="tts"></annotation>
<annotation cp="🐢" type="tts">لاک\u200cپشت</annotation>
</annotations></ldml>"""


def rules(name: str, *pairs: tuple[int, str]) -> str:
    lines = "".join(f'<rbnfrule value="{value}">{text}</rbnfrule>' for value, text in pairs)
    return f'<ruleset type="{name}"><rbnfrule value="-x">minus →→;</rbnfrule>{lines}</ruleset>'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A CLDR of one small language."""
    for folder in ("annotations", "rbnf"):
        (tmp_path / folder).mkdir()
    (tmp_path / "annotations" / "xx_Aaaa.xml").write_text(ANNOTATIONS, encoding="utf-8")
    monkeypatch.setattr(cldr, "root", lambda: tmp_path)
    cldr.emoji_names.cache_clear()
    cldr.number_words.cache_clear()
    yield tmp_path
    cldr.emoji_names.cache_clear()
    cldr.number_words.cache_clear()


def numbers(root: Path, *rulesets: str) -> dict[int, str]:
    (root / "rbnf" / "xx_Aaaa.xml").write_text(f"<ldml>{''.join(rulesets)}</ldml>", encoding="utf-8")
    return cldr.number_words("xx-Aaaa")


@pytest.mark.usefixtures("root")
def test_names_without_bidi_controls_and_in_nfc() -> None:
    assert cldr.emoji_name("🐈", "xx-Aaaa") == unicodedata.normalize("NFC", "ח\u05b7תול")
    assert cldr.emoji_name("🐢", "xx-Aaaa") == "لاک\u200cپشت"  # this joiner is spelling, not direction
    for emoji in ("🌶", "🌶\ufe0f"):
        assert cldr.emoji_name(emoji, "xx-Aaaa") == "piment épicé"


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("emoji", ["👍🏽", "👨", "👩", "👧", "👦", "👶", "👴", "⬆", "🦋", "🚀"])
def test_what_cannot_stand_alone_has_no_name(emoji: str) -> None:
    assert cldr.emoji_name(emoji, "xx-Aaaa") is None


@pytest.mark.usefixtures("root")
def test_an_unknown_language() -> None:
    with pytest.raises(UserError, match="no emoji names in 'yy'"):
        cldr.emoji_names("yy")


def test_numbers_by_redirects(root: Path) -> None:
    words = ["nul", "ein\u00ads", "zwei", "drei", "vier", "fu\u0308nf", "sechs", "sieben", "acht", "'neun"]
    found = numbers(
        root,
        rules("spellout-numbering", (0, "=%spellout-cardinal=;")),
        rules("spellout-cardinal", (0, "=%%lenient=;"), (100, "hundert;")),
        rules("lenient", *((i, f"{word};") for i, word in enumerate(words)), (20, "zwanzig[→→];")),
    )
    assert list(found) == list(range(1, 10))
    assert " ".join(found.values()) == "eins zwei drei vier fünf sechs sieben acht neun"


@pytest.mark.parametrize(
    "rule",
    [(6, "fünf-→→;"), (6, "fünf;"), (10, "zehn;")],
    ids=["composed", "twice", "missing"],
)
def test_numbers_that_are_not_nine_plain_words_are_digits(root: Path, rule: tuple[int, str]) -> None:
    plain = [(i, f"{word};") for i, word in ((1, "eins"), (2, "zwei"), (3, "drei"), (4, "vier"), (5, "fünf"))]
    rest = [(i, f"{word};") for i, word in ((7, "sieben"), (8, "acht"), (9, "neun"))]
    found = numbers(root, rules("spellout-cardinal", *plain, rule, *rest))
    assert found == {n: str(n) for n in range(1, 10)}


def test_numbers_of_a_language_without_rules_are_digits(root: Path) -> None:
    assert not (root / "rbnf" / "xx_Aaaa.xml").exists()
    assert cldr.number_words("xx-Aaaa") == {n: str(n) for n in range(1, 10)}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "one two three four five six seven eight nine"),
        ("zh", "一 二 三 四 五 六 七 八 九"),
        ("th", "หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า"),
        ("hi", "एक दो तीन चार पाँच छह सात आठ नौ"),
        ("ar", "واحد إثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة"),
        ("am", "አንድ ሁለት ሦስት አራት አምስት ስድስት ሰባት ስምንት ዘጠኝ"),
        ("ka", "ერთი ორი სამი ოთხი ხუთი ექვსი შვიდი რვა ცხრა"),
        ("ur", "1 2 3 4 5 6 7 8 9"),
    ],
)
def test_numbers_of_the_installed_cldr(language: str, words: str) -> None:
    assert " ".join(cldr.number_words(language).values()) == words


def test_names_of_the_installed_cldr() -> None:
    assert cldr.emoji_name("🐈", "ar") == "قطة"
    assert cldr.emoji_name("🐈", "zh") == "猫"
    assert cldr.emoji_name("🐘", "sw") == "ndovu"
    for language in ("he", "ar", "fa", "ur"):
        assert not any(
            re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", n) for n in cldr.emoji_names(language).values()
        )
