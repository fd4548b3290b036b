"""Tags: what is known, what a loose one means, scripts and directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.schema.errors import UserError
from polysee.text.languages import canonical, default_numbering, digits_of, direction, is_known, language, named

DEMO = [
    "en",
    "es",
    "pt",
    "de",
    "ru",
    "el",
    "he",
    "ar",
    "hi",
    "th",
    "ja",
    "zh",
    "ko",
    "am",
    "tr",
    "sw",
    "fr",
    "uk",
    "fa",
    "ka",
    "it",
    "bg",
    "ur",
    "vi",
    "no",
]


@pytest.mark.parametrize("tag", [*DEMO, "pt-BR", "zh-Hant", "sr-Latn", "ca-valencia", "es-419", "en-x-simple", "und"])
def test_known_tags(tag: str) -> None:
    assert is_known(tag)
    assert canonical(tag) == tag
    assert language(tag).tag == tag


@pytest.mark.parametrize(
    "tag",
    ["", "e", "english", "xx", "en_US", "pt-br", "EN", "zh-hant", "iw", "eng", "zh-yue", "en-Abcd", "en-ZX", "en-",
     "de-1996-1996", "عربي", "en\n"],
)  # fmt: skip
def test_tags_that_are_not_known(tag: str) -> None:
    assert not is_known(tag)


@pytest.mark.parametrize(
    ("loose", "tag"),
    [("pt_br", "pt-BR"), ("iw", "he"), ("eng", "en"), ("zho_Hans", "zh"), ("zho_Hant", "zh-Hant"), ("arb_Arab", "ar"),
     ("sh", "sr-Latn"), ("pt_BR.UTF-8", "pt-BR"), ("hin_Deva", "hi"), ("amh", "am"), ("klingon", None), ("", None)],
)  # fmt: skip
def test_canonical_mends_loose_tags(loose: str, tag: str | None) -> None:
    assert canonical(loose) == tag


@given(st.text(alphabet="abzAZ019-_. é", max_size=20))
def test_canonical_gives_known_tags_that_stay(text: str) -> None:
    mended = canonical(text)
    if mended is not None:
        assert is_known(mended)
        assert canonical(mended) == mended


@pytest.mark.parametrize(
    ("tag", "script", "side"),
    [("ar", "Arab", "rtl"), ("he", "Hebr", "rtl"), ("fa", "Arab", "rtl"), ("ur", "Arab", "rtl"), ("hi", "Deva", "ltr"),
     ("th", "Thai", "ltr"), ("ja", "Jpan", "ltr"), ("zh", "Hans", "ltr"), ("zh-TW", "Hant", "ltr"),
     ("am", "Ethi", "ltr"), ("pa-PK", "Arab", "rtl"), ("sr", "Cyrl", "ltr"), ("sr-Latn", "Latn", "ltr"),
     ("yi", "Hebr", "rtl"), ("dv", "Thaa", "rtl")],
)  # fmt: skip
def test_script_and_direction(tag: str, script: str, side: str) -> None:
    assert language(tag).script == script
    assert direction(tag) == side


def test_names_and_autonyms() -> None:
    assert language("am").name == "Amharic"
    assert language("am").autonym == "አማርኛ"
    assert language("zh-Hant").autonym == "繁體中文"
    assert language("pt-BR").name == "Brazilian Portuguese"
    assert language("sr-Latn").autonym == "srpski"


def test_an_unknown_tag_says_what_was_meant() -> None:
    with pytest.raises(UserError, match="no language has the tag 'pt_br'") as caught:
        language("pt_br")
    assert "'pt-BR'" in caught.value.fix
    with pytest.raises(UserError):
        direction("klingon")


@pytest.mark.parametrize(
    ("said", "tag"),
    [("spanish", "es"), ("arabic", "ar"), ("العربية", "ar"), ("Español", "es"), ("中文", "zh"), ("አማርኛ", "am"),
     ("ไทย", "th"), ("हिन्दी", "hi"), ("Brazilian Portuguese", "pt-BR"), ("日本語", "ja"), ("spansh", "es")],
)  # fmt: skip
def test_a_language_by_its_name_is_understood(said: str, tag: str) -> None:
    assert said == "spansh" or named(said) == tag
    with pytest.raises(UserError) as caught:
        language(said)
    assert f"did you mean {tag!r}" in caught.value.fix


def test_a_tag_is_no_name() -> None:
    assert [named(one) for one in ("zz", "", "klingonese", "pt-BR")] == [None] * 4


def test_numbering_systems() -> None:
    assert [default_numbering(t) for t in ("ar", "ar-DZ", "fa", "hi", "mr", "my", "fr-CA", "xh")] == [
        "arab", "latn", "arabext", "latn", "deva", "mymr", "latn", "latn"
    ]  # fmt: skip
    assert digits_of("thai") == "๐๑๒๓๔๕๖๗๘๙"
    with pytest.raises(ValueError, match="roman"):
        digits_of("roman")
