"""Decimal digits of every script, to ASCII and back. CJK numerals are words, not digits, and stay as they are."""

from __future__ import annotations

import re
import unicodedata

from polysee.text.languages import default_numbering, digits_of

_DIGIT = re.compile(r"\d")  # Python's \d is the general category Nd: the positional digits of all scripts
_ARABIC_SEPARATOR = re.compile("(?<=[0-9])[٫٬](?=[0-9])")
_SEPARATORS = {"٫": ".", "٬": ","}


def to_ascii(text: str) -> str:
    """Decimal digits of any script, full-width and mathematical ones among them, as 0 to 9.

    Arabic decimal and thousands separators between digits become ``.`` and ``,``. Superscripts, circled numbers and
    fractions are not digits of a number and stay.
    """
    ascii_digits = _DIGIT.sub(lambda m: str(unicodedata.decimal(m[0])), text)
    return _ARABIC_SEPARATOR.sub(lambda m: _SEPARATORS[m[0]], ascii_digits)


def to_system(text: str, numbering_system: str) -> str:
    """ASCII digits in a CLDR numbering system such as ``arab`` or ``deva``; all else unchanged.

    Raises `ValueError` for a system that has no ten digits.
    """
    return text.translate(str.maketrans("0123456789", digits_of(numbering_system)))


def to_native(text: str, language: str) -> str:
    """ASCII digits as the language writes them by default (CLDR): ``ar`` in Arabic-Indic ones, ``hi`` in ASCII."""
    return to_system(text, default_numbering(language))
