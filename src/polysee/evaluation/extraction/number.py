"""Numbers in answers, in whatever digits, numerals and number words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import regex

from polysee.evaluation.extraction.final import announced, body
from polysee.evaluation.extraction.lexicon import FALLBACK, lexicon, lower, prepare
from polysee.evaluation.numbers import parse_number

_HAN = "〇零一二三四五六七八九十百千万萬亿億兆两兩廿卅点點"
_ETHIOPIC = "\u1369-\u137c"
_SPAN = regex.compile(
    rf"(?<![\p{{L}}\p{{Nd}}.,])(?<!\p{{L}}[-−])(?:(?<![\p{{L}}\p{{M}}\p{{Nd}})\]])[-−+])?"
    rf"(?:\p{{Nd}}+(?:[.,٫٬'’]\p{{Nd}}+|[ \u00a0\u202f]\p{{Nd}}{{3}}(?!\p{{Nd}}))*(?:[eE][-+]?\p{{Nd}}+)?"
    rf"(?:/\p{{Nd}}+)?[{_HAN}]*|[½⅓⅔¼¾⅕⅛]|[{_HAN}]{{1,20}}(?![\p{{Han}}])|[{_ETHIOPIC}]+)"
    r"|(?<=[\p{L}--[\p{Latin}\p{Cyrillic}\p{Greek}\p{Arabic}]])\p{Nd}+(?:[.,٫٬]\p{Nd}+)*",
    regex.VERSION1,
)
_PERCENT = regex.compile(r"\s*[%٪％﹪]")


@dataclass(frozen=True, slots=True)
class Found:
    """A number in a text, its place, and whether a per cent sign follows (``value`` is as written: 50 for 50%)."""

    value: float
    start: int
    end: int
    percent: bool


def numbers_in(text: str, *, language: str = "en") -> list[Found]:
    """All numbers of a text in their order. Digits inside of words (``B2``) are none; ``3-5`` is two."""
    out = []
    for match in _SPAN.finditer(text):
        value = parse_number(match[0], language=language)
        if value is not None:
            out.append(Found(value, match.start(), match.end(), bool(_PERCENT.match(text, match.end()))))
    return out


def number(text: str, *, language: str = "en") -> float | None:
    """The number that an answer gives, or None.

    The whole text if it is a number or a number word; else, behind words such as "the answer is", the first one; else
    the only one. Of a text with several numbers and nothing that tells them apart no number is taken.
    """
    inner = body(text).strip()
    whole = parse_number(inner.strip("*_$。।"), language=language)
    if whole is None:
        whole = number_word(inner, language=language)
    if whole is not None:
        return whole
    result = announced(inner, language)
    if result is not None:
        found = numbers_in(result.rsplit("=", 1)[-1], language=language)
        if found:
            return found[0].value
        word = number_word(result, language=language)
        if word is not None:
            return word
    values = {found.value for found in numbers_in(inner.rsplit("=", 1)[-1], language=language)}
    return values.pop() if len(values) == 1 else None


def number_word(text: str, *, language: str = "en") -> float | None:
    """The value of a number word that is the whole text (``three``, ``สาม``, ``ثلاثة``), or None."""
    return number_words(language).get(lower(prepare(text), language).strip(" .,!?*_\"'。।።؟、"))


@lru_cache(maxsize=256)
def number_words(language: str) -> dict[str, float]:
    """The language's words for zero upwards; English ones where it has no table."""
    table = lexicon(language) or lexicon(FALLBACK)
    assert table is not None
    words: dict[str, float] = {}
    for value, cell in enumerate(table.numbers):
        for word in cell.split("/"):
            words.setdefault(lower(prepare(word), language), float(value))
    return words
