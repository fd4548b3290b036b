"""Numbers as people write them: any script's digits, Chinese and Ethiopic numerals, fractions, both decimal marks."""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from polysee.text.languages import base_language

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
_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}

_SWAP = str.maketrans(",.", ".,")
_GROUPED = (
    # Groups of three, and of two above the last three as in 12,34,567.
    re.compile(r"([+-]?\d{1,3}(?:,\d{2,3})*,\d{3})(?:\.(\d+))?"),
    # The other habit only where it cannot be a decimal mark: two groups, or the other mark after them.
    re.compile(r"([+-]?\d{1,3}(?:\.\d{3}){2,})(?:,(\d+))?"),
    re.compile(r"([+-]?\d{1,3}(?:\.\d{3})+),(\d+)"),
)
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?")


def parse_number(text: str, *, language: str = "en") -> float | None:
    """The number that ``text`` is (nothing else beside it but space), or None.

    ``language`` decides only what stays ambiguous: ``1,234`` is a thousand and more in English, 1.234 in Portuguese.
    """
    text = text.strip()
    mixed = _mixed_fraction(text)
    if mixed is not None:
        return mixed
    folded = fold_digits(text)
    han = _han(folded)
    if han is not None:
        return han
    ethiopic = _ethiopic(folded)
    if ethiopic is not None:
        return ethiopic
    plain = _separators(folded, base_language(language) in _DECIMAL_COMMA)
    return float(plain) if plain is not None else None


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
        return int(whole) + unicodedata.numeric(text[-1]) if whole.isdigit() else None
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


def _han(text: str) -> float | None:
    """Chinese and Japanese numerals, also beside digits: 一百二十三, 二〇二四, 12万, 3億5千."""
    if not any(c in _DIGITS or c in _SMALL or c in _LARGE for c in text):
        return None
    total = section = 0.0
    number: float | None = None
    for token in re.findall(r"\d+(?:\.\d+)?|\D", text):
        if token[0].isdigit():
            number = float(token)
        elif token in _DIGITS:
            number = (number or 0) * 10 + _DIGITS[token]
        elif token in _SMALL:
            section += (1 if number is None else number) * _SMALL[token]
            number = None
        elif token in _LARGE:
            section += number or 0
            total += (section or 1) * _LARGE[token]
            section, number = 0.0, None
        else:
            return None
    return total + section + (number or 0)


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
