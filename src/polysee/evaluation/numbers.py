"""Numbers as people write them: any script's digits, Chinese, Korean and Ethiopic numerals, both decimal marks."""

from __future__ import annotations

import math
import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from polysee.evaluation.extraction.lexicon import FALLBACK, lexicon, lower, prepare
from polysee.text.languages import base_language
from polysee.text.normalise import strip_invisible

_COMMA_LANGUAGES = (
    "af az be bg bs ca cs da de el es et eu fi fo fr gl hr hu hy id is it ka kk ky lb lt lv mk mn nb nl nn no pl pt ro "
    "ru sk sl sq sr sv tr uk uz vi"
)
_DECIMAL_COMMA = frozenset(_COMMA_LANGUAGES.split())
"""Languages that write 3,5 and group thousands with a point or a space, after the Unicode CLDR's symbols."""

_DIGITS = dict(zip("〇零一二三四五六七八九", (0, *range(10)), strict=True)) | dict(
    zip("壹贰叁肆伍陆柒捌玖", range(1, 10), strict=True)
)
_DIGITS |= dict(zip("壱弐参貳參陸兩两", (1, 2, 3, 2, 3, 6, 2, 2), strict=True))
_DIGITS |= {"○": 0, "幺": 1}
_TENS = {"廿": 20, "卅": 30, "卌": 40}
_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
_TAMIL = {"௰": 10, "௱": 100, "௲": 1000}
_TENTHS = re.compile(r"([一二三四五六七八九两兩十百千万萬亿億]+[百千万萬亿億])([一二三四五六七八九])")

_SWAP = str.maketrans(",.", ".,")
_GROUPED = (
    # Groups of three, and of two above the last three as in 12,34,567.
    re.compile(r"([1-9]\d{0,2}(?:,\d{2,3})*,\d{3})(?:\.(\d+))?"),
    # The other habit only where it cannot be a decimal mark: two groups, or the other mark after them.
    re.compile(r"([1-9]\d{0,2}(?:\.\d{3}){2,})(?:,(\d+))?"),
    re.compile(r"([1-9]\d{0,2}(?:\.\d{3})+),(\d+)"),
)
_PLAIN = re.compile(r"(?:\d+\.?|\d*\.\d+)(?:[eE][+-]?\d{1,3})?")
_SIGNS = {"-": -1, "−": -1, "－": -1, "﹣": -1, "负": -1, "負": -1, "+": 1, "＋": 1, "﹢": 1}
_SUPERSCRIPT = re.compile("([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})$")
_FROM_SUPERSCRIPT = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")
# Sino-Korean numerals by their Chinese signs; only in Korean, where 이 and 만 are words too.
_HANGUL = str.maketrans("영공일이삼사오육칠팔구십백천만억조", "零零一二三四五六七八九十百千万億兆")
_HANGUL_UNIT = re.compile("[십백천만억조]|[영공일이삼사오육칠팔구]{2}")


def parse_number(text: str, *, language: str = "en") -> float | None:
    """The number that ``text`` is (nothing else beside it but space), or None.

    ``language`` decides what stays ambiguous: ``1,234`` is a thousand and more in English, 1.234 in Portuguese; and
    which words multiply a number (``3.5 million``, ``5 लाख``). A superscript is a power: ``3²`` is 9.
    """
    text = strip_invisible(text).strip()
    sign = 1
    if text[:1] in _SIGNS:
        sign, text = _SIGNS[text[0]], text[1:].lstrip()
    power = _SUPERSCRIPT.search(text)
    base = text[: power.start()].rstrip() if power else text
    if power is not None and base:
        value = _unsigned(base, language)
        return None if value is None else _power(sign * value, int(power[1].translate(_FROM_SUPERSCRIPT)))
    value = _unsigned(text, language)
    return None if value is None else sign * value


def _power(base: float, exponent: int) -> float | None:
    try:
        value = float(base**exponent)
    except (OverflowError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) else None


def _unsigned(text: str, language: str) -> float | None:
    if len(text) == 1 and unicodedata.category(text) == "Nl" and text not in _DIGITS:
        return unicodedata.numeric(text)
    mixed = _mixed_fraction(text)
    if mixed is not None:
        return mixed
    folded = fold_digits(text)
    if base_language(language) == "ko" and _HANGUL_UNIT.search(folded):
        folded = folded.translate(_HANGUL)
    spoken = base_language(language) in ("zh", "yue", "wuu")
    for value in (_han(folded, spoken=spoken), _ethiopic(folded), _tamil(text)):
        if value is not None:
            return value
    plain = _separators(folded, base_language(language) in _DECIMAL_COMMA)
    if plain is not None:
        value = float(plain)
        return value if math.isfinite(value) else None
    return _scaled(folded, language)


def _scaled(text: str, language: str) -> float | None:
    """``3.5 million``, ``2 करोड़ 5 लाख``: numbers, each with a word that multiplies it, added up."""
    if not text[:1].isdigit() or not any(char.isalpha() for char in text):
        return None
    scales = _scales(language)
    total, rest = 0.0, lower(prepare(text), language).strip()
    while rest:
        found = re.match(r"(\d[\d.,' ]*)", rest)
        if found is None:
            return None
        plain = _separators(found[1].strip(), base_language(language) in _DECIMAL_COMMA)
        rest = rest[found.end() :].lstrip()
        word = next((w for w in scales if rest.startswith(w) and not rest[len(w) : len(w) + 1].isalpha()), None)
        if plain is None or word is None:
            return None
        total += float(plain) * scales[word]
        rest = rest[len(word) :].strip()
    return total


@lru_cache(maxsize=256)
def _scales(language: str) -> dict[str, int]:
    """The language's words and English ones, longest first."""
    own, english = lexicon(language), lexicon(FALLBACK)
    assert english is not None
    merged = {**english.scales, **(own.scales if own is not None else {})}
    named = {lower(prepare(word), language): value for word, value in merged.items()}
    return dict(sorted(named.items(), key=lambda item: -len(item[0])))


def fold_digits(text: str) -> str:
    """NFKC with every script's decimal digits, decimal and grouping marks and minus as ASCII."""
    out = []
    for char in unicodedata.normalize("NFKC", text):
        digit = unicodedata.decimal(char, None)
        out.append(str(digit) if digit is not None else _MARKS.get(char, char))
    return "".join(out)


_MARKS = {"٫": ".", "٬": "", "−": "-", "⁄": "/", "’": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " "}


def _mixed_fraction(text: str) -> float | None:
    """``½``, ``2½``, ``1/2``, ``1 1/2``."""
    if text and unicodedata.category(text[-1]) == "No" and "FRACTION" in unicodedata.name(text[-1], ""):
        whole = fold_digits(text[:-1]).strip()
        if not whole:
            return unicodedata.numeric(text[-1])
        value = float(whole) if whole.isdigit() else _han(whole)
        return None if value is None else value + unicodedata.numeric(text[-1])
    found = re.fullmatch(r"(?:(\d+)\s+)?(\d+)\s*/\s*(\d+)", fold_digits(text))
    if found is None or int(found[3]) == 0:
        return None
    return int(found[1] or 0) + float(Fraction(int(found[2]), int(found[3])))


def _separators(text: str, decimal_comma: bool) -> str | None:
    """Digits with grouping taken out and a point as decimal mark."""
    text = re.sub(r"(?<=\d)[ '](?=\d{3}(?!\d))", "", text)
    if decimal_comma:
        text = text.translate(_SWAP)
    for pattern in _GROUPED:
        found = pattern.fullmatch(text)
        if found:
            return re.sub("[.,]", "", found[1]) + ("." + found[2] if found[2] else "")
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    return plain if _PLAIN.fullmatch(plain) else None


def _han(text: str, *, spoken: bool = False) -> float | None:
    """Chinese and Japanese numerals, also beside digits: 一百二十三, 二〇二四, 12万, 3億5千, 三点一四, 三分之二.

    ``spoken``: a last digit counts in tenths of the unit before it, as Chinese has it (两万五 is 25,000).
    """
    if not any(c in _DIGITS or c in _SMALL or c in _LARGE or c in _TENS for c in text):
        return None
    below, over, above = text.partition("分之")
    if over:
        parts = _han_integer(below), _han_integer(above)
        return parts[1] / parts[0] if parts[0] and parts[1] is not None else None
    tenths = _TENTHS.fullmatch(text) if spoken else None
    if tenths is not None:
        before = _han_integer(tenths[1])
        unit = (_SMALL | _LARGE)[tenths[1][-1]]
        return None if before is None else before + _DIGITS[tenths[2]] * unit / 10
    whole, point, digits = text.replace("點", "点").partition("点")
    value = _han_integer(whole)
    if not point or value is None:
        return value
    figures = [str(_DIGITS[c]) if c in _DIGITS else c for c in digits]
    if not figures or not all(figure.isdigit() for figure in figures):
        return None
    return value + float("0." + "".join(figures))


def _han_integer(text: str) -> float | None:
    total = section = 0.0
    number: float | None = None
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    if not text:
        return None
    for token in re.findall(r"\d+(?:\.\d+)?|\D", text):
        if token[0].isdigit():
            number = float(token)
        elif token in _DIGITS:
            number = (number or 0) * 10 + _DIGITS[token]
        elif token in _TENS:
            section += _TENS[token]
        elif token in _SMALL:
            section += (1 if number is None else number) * _SMALL[token]
            number = None
        elif token in _LARGE:
            section += number or 0
            total += (section or 1) * _LARGE[token]
            section, number = 0.0, None
        elif not token.isspace():
            return None
    return total + section + (number or 0)


def _tamil(text: str) -> float | None:
    """Tamil numerals with signs for 10, 100 and 1,000, which what stands before them multiplies: ௨௰௩ is 23."""
    if not any(char in _TAMIL for char in text):
        return None
    total = number = 0.0
    for char in text:
        if char in _TAMIL:
            total, number = total + (number or 1) * _TAMIL[char], 0.0
        elif "௦" <= char <= "௯":
            number = number * 10 + unicodedata.digit(char)
        else:
            return None
    return total + number


def _ethiopic(text: str) -> float | None:
    """Ethiopic numerals: units and tens add up, ፻ (100) and ፼ (10,000) multiply what stands before them."""
    if not text or not all("\u1369" <= c <= "\u137c" for c in text):
        return None
    total = group = 0.0
    for char in text:
        value = unicodedata.numeric(char)
        if value < 100:
            group += value
        elif value == 100:
            group = (group or 1) * 100
            total, group = total + group, 0.0
        else:
            total, group = (total + group or 1) * value, 0.0
    return total + group
