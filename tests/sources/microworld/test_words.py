"""Every language has every word that a scene needs, and no word says two things."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from importlib import resources
from typing import Any

import pytest
from ruamel.yaml import YAML

from polysee.schema.errors import UserError
from polysee.sources.microworld import cldr
from polysee.sources.microworld import words as module
from polysee.sources.microworld.concepts import CATEGORIES, CONCEPTS, SQUARES, members
from polysee.sources.microworld.words import CORNERS, DIRECTIONS, PICTURES, SIDES, Words, languages, words
from polysee.text.normalise import key

SEEN = ("en", "es", "pt", "de", "ru", "el", "he", "ar", "hi", "th", "ja", "zh", "ko", "am", "tr", "sw")
LANGUAGES = (*SEEN, "fr", "uk", "fa", "ka", "it", "bg", "ur", "vi")
BIDI_CONTROL = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def tables(spoken: Words) -> dict[str, Mapping[Any, str]]:
    return {
        "names": spoken.names,
        "squares": spoken.squares,
        "numbers": spoken.numbers,
        "places": spoken.places,
        "directions": spoken.directions,
        "pictures": spoken.pictures,
        "yes": {True: spoken.yes, False: spoken.no},
    }


def test_the_languages() -> None:
    assert languages() == tuple(sorted(LANGUAGES))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_complete(language: str) -> None:
    spoken = words(language)
    assert spoken.language == language
    assert isinstance(spoken.reviewed, bool)
    assert set(spoken.names) == set(range(len(CONCEPTS)))
    assert set(spoken.squares) == set(SQUARES)
    assert len(SQUARES) == 7
    assert set(spoken.numbers) == set(range(1, 10))
    assert set(spoken.places) == {*SIDES, *CORNERS}
    assert set(spoken.directions) == set(DIRECTIONS)
    assert set(spoken.pictures) == set(PICTURES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_clean_and_say_one_thing(language: str) -> None:
    spoken = words(language)
    for name, table in tables(spoken).items():
        texts = list(table.values())
        assert len({key(text, language) for text in texts}) == len(texts), name
        for text in texts:
            assert text == unicodedata.normalize("NFC", text).strip() != ""
            assert not BIDI_CONTROL.search(text)
            assert spoken.separator.strip() not in text
    assert spoken.listing(["a", "b"]) == f"a{spoken.separator}b"


def test_lists_are_written_as_the_script_writes_them() -> None:
    assert words("ja").listing(["猫", "犬"]) == "猫、犬"
    assert words("ar").listing(["قطة", "كلب"]) == "قطة، كلب"
    assert words("am").listing(["ድመት", "ውሻ"]) == "ድመት፣ ውሻ"
    assert words("th").listing(["แมว", "หมา"]) == "แมว, หมา"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_says_its_own_language_and_yes_is_no_boolean(language: str) -> None:
    file = resources.files("polysee.sources.microworld") / "words" / f"{language}.yaml"
    own = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    assert own["language"] == language
    assert set(own) == {"language", "reviewed", "places", "directions", "pictures", "yes", "no"}
    assert isinstance(own["yes"], str)
    assert isinstance(own["no"], str)


def test_a_name_of_two_concepts_names_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cldr.emoji_name

    def shared(emoji: str, language: str) -> str | None:
        named = {CONCEPTS[3].emoji: "Σ", CONCEPTS[5].emoji: "ς", CONCEPTS[7].emoji: None}
        return named.get(emoji, real(emoji, language))

    monkeypatch.setattr(cldr, "emoji_name", shared)
    words.cache_clear()
    try:
        assert set(range(len(CONCEPTS))) - set(words("el").names) == {3, 5, 7}
    finally:
        words.cache_clear()


def test_two_equal_forms_are_refused() -> None:
    with pytest.raises(UserError, match=r"two forms of words/xx\.yaml are equal"):
        module._forms({"left": "e\u0301", "right": "é"}, ("left", "right"), "xx")


def test_an_unknown_language() -> None:
    with pytest.raises(UserError, match="no words in 'tlh'") as error:
        words("tlh")
    assert "am, ar, bg" in error.value.fix


def test_concepts() -> None:
    assert [c.index for c in CONCEPTS] == list(range(len(CONCEPTS)))
    assert len({c.emoji for c in CONCEPTS}) == len(CONCEPTS)
    assert len(CATEGORIES) == 10
    for category in CATEGORIES:
        # Three wrong options, and another one for `absent`, held out or not.
        assert len(members(category, held_out=False)) >= 4
        assert len(members(category, held_out=True)) == 2
