"""Whether an answer is written in the script of the language that was asked for."""

from __future__ import annotations

from functools import lru_cache

import regex

from polysee.text.languages import UNKNOWN_SCRIPT, language

_PARTS = {
    "Hans": ("Han",),
    "Hant": ("Han",),
    "Jpan": ("Han", "Hiragana", "Katakana"),
    "Kore": ("Hangul", "Han"),
}
"""ISO 15924 codes that stand for several Unicode scripts, or for a way of writing one."""

_LETTER = regex.compile(r"[\p{L}--[\p{Script=Common}\p{Script=Inherited}]]", regex.VERSION1)


def wrong_script(text: str, tag: str) -> bool:
    """Whether most letters of ``text`` belong to another script than the language ``tag`` is written in.

    Digits and signs say nothing; nor does a language whose script is unknown. It cannot tell French from English.
    """
    letters = _LETTER.findall(text)
    expected = _expected(tag)
    if not letters or expected is None:
        return False
    return 2 * len(expected.findall("".join(letters))) < len(letters)


@lru_cache(maxsize=256)
def _expected(tag: str) -> regex.Pattern[str] | None:
    code = language(tag).script
    if code == UNKNOWN_SCRIPT:
        return None
    return regex.compile("[" + "".join(rf"\p{{Script={name}}}" for name in _PARTS.get(code, (code,))) + "]")
