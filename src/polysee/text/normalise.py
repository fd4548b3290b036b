"""Normal forms of text: NFC for everything that is kept, and a looser key that is only ever compared."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import regex

_TURKIC = ("tr", "az")
_TURKIC_CASE = str.maketrans({"I": "ı", "İ": "i"})

_INVISIBLE = regex.compile(
    "["
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\ufeff"  # soft hyphen, Arabic letter mark, spaces of no width, marks
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides and isolates
    "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # variation selectors
    "\u0640"  # tatweel: it stretches an Arabic word and means nothing
    "]"
)
_MINUS = regex.compile(r"(?<![\p{L}\p{N}])[-\u2212\uff0d](?=\p{Nd})")
_IN_WORD = regex.compile(r"(?<=[\p{L}\p{M}])['’‘`´ʼ՚׳״·](?=[\p{L}\p{M}])")
_PUNCTUATION = regex.compile(r"(?<=\p{Nd})[.,:/٫٬](?=\p{Nd})(*SKIP)(*FAIL)|\p{P}")
_MINUS_STAND_IN = "\ue000"  # private use: what no text holds, while punctuation is taken out around it


def nfc(text: str) -> str:
    """Unicode normalisation form C, the only form in which text is kept."""
    return unicodedata.normalize("NFC", text)


def squeeze(text: str) -> str:
    """White space of any kind and length as one space, none at the ends."""
    return " ".join(text.split())


def strip_invisible(text: str) -> str:
    """Without bidirectional marks, spaces of no width, soft hyphens, variation selectors and tatweels.

    The joiners U+200C and U+200D stay: they carry meaning in Persian and in Indic scripts.
    """
    return _INVISIBLE.sub("", text)


@lru_cache(maxsize=65536)
def key(text: str, language: str = "") -> str:
    """A form in which two spellings of one answer are equal. For comparison only: never keep it as text.

    NFKC and case folding (Turkish and Azerbaijani ``I`` by their own rule when ``language`` says so), invisible
    characters out, punctuation of every script out (``。؟।፧``; a separator between two digits and a minus sign
    stay, so that 3.5 is not 35 and -5 is not 5), white space squeezed. Vowel signs and diacritics of every
    script are kept. Text that is nothing but punctuation keeps it.
    """
    folded = unicodedata.normalize("NFKC", strip_invisible(text))
    if language.split("-")[0] in _TURKIC:
        folded = folded.translate(_TURKIC_CASE)
    folded = unicodedata.normalize("NFKC", folded.casefold())
    bare = _MINUS.sub(_MINUS_STAND_IN, folded)
    bare = _IN_WORD.sub("", bare)
    bare = _PUNCTUATION.sub(" ", bare)
    return squeeze(bare.replace(_MINUS_STAND_IN, "-")) or squeeze(folded)
