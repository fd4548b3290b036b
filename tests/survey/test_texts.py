from __future__ import annotations

import re

import pytest

from polysee.schema.errors import UserError
from polysee.survey.texts import COMFORT, CRITERIA, available, best_match, words
from polysee.text.languages import language

ENGLISH = words("en")


def test_there_are_texts_in_many_scripts() -> None:
    assert {"ar", "he", "hi", "zh", "en"} <= set(available())
    assert len(available()) >= 8
    assert len({language(tag).script for tag in available()}) >= 6


@pytest.mark.parametrize("tag", available())
def test_every_text_is_there_and_in_its_own_script(tag: str) -> None:
    own = words(tag)
    assert own._texts.keys() == ENGLISH._texts.keys()
    for key, text in own._texts.items():
        assert text.strip()
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", ENGLISH._texts[key]))
        if language(tag).script != "Latn":
            assert not re.search(r"[A-Za-z]{3}", re.sub(r"\{\w+\}", "", text)), text
    for name in CRITERIA:
        head, meaning = own.criterion(name)
        assert head
        assert meaning
    assert all(own(f"comfort_{value}") for value in COMFORT)
    assert own.countries.keys() == ENGLISH.countries.keys()


def test_numbers_are_written_natively() -> None:
    assert words("fa")("progress", n=3, count=10) == "پرسش ۳ از ۱۰"
    assert words("zh")("progress", n=3, count=10) == "第 3 题，共 10 题"


@pytest.mark.parametrize(
    ("header", "expected"),
    [("he-IL,he;q=0.9,en;q=0.8", "he"), ("pt-BR", "en"), ("", "en"), ("AR", "ar"), (";,;", "en")],
)
def test_browsers_get_their_language(header: str, expected: str) -> None:
    assert best_match(header, ("en", "ar", "he")) == expected


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(UserError, match="no survey texts"):
        words("tlh")
