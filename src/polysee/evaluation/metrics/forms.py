"""Forms of text in which answers are compared. None of them is ever kept."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import regex

from polysee.evaluation.numbers import parse_number
from polysee.text.digits import to_ascii
from polysee.text.languages import base_language
from polysee.text.normalise import key, nfc, squeeze, strip_invisible

_ACRONYM = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}])(?:(?:\p{L}\p{M}*\.)+\p{L}\p{M}*(?![\p{L}\p{M}\p{N}])|(?:\p{L}\p{M}*\.){2,})"
)
_HYPHEN = regex.compile(r"(?<=[\p{L}\p{M}])[-\u2010\u2011](?=\p{L})")
_APOSTROPHE = regex.compile(r"(?<=[\p{L}\p{M}])['’‘ʼ](?=\p{L})")
# Half-width kana and Hangul, full-width signs, and the shapes that Arabic letters take inside of words.
_SHAPES = regex.compile("[\uff00-\uffef\ufb50-\ufdff\ufe70-\ufefc]+")
_PERSIAN = ("fa", "prs", "ur", "ps", "ckb", "sd", "ug", "pnb")
_PERSIAN_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک"})
_PROCLITICS = {
    "ar": regex.compile("[وف]?(?:[بك]?ال|لل|[بلك])?"),
    "he": regex.compile("ו?(?:כש|[שכבלמה])?ה?"),
}
"""What is written onto the front of a word: conjunctions, prepositions and articles."""
_NARROW = str.maketrans({chr(0xFF01 + i): chr(0x21 + i) for i in range(94)} | {"\u3000": " "})
_POINTS = regex.compile("[\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
_TURKIC_CASE = str.maketrans({"I": "ı", "İ": "i"})
_UNSPACED = regex.compile(
    r"[\p{Script=Hani}\p{Script=Hira}\p{Script=Kana}\p{Script=Thai}\p{Script=Laoo}\p{Script=Khmr}\p{Script=Mymr}ー]"
)
_HANGUL = regex.compile(r"\p{Script=Hang}")


def narrow(text: str) -> str:
    """Full-width ASCII and the ideographic space as plain ones; no other character changes."""
    return text.translate(_NARROW)


def bare(text: str) -> str:
    """Without Arabic and Hebrew vowel points, which writers may leave out, tatweels and invisible characters."""
    return text if text.isascii() else _POINTS.sub("", strip_invisible(text))


def small(text: str, language: str) -> str:
    """Lower case by the language's rule."""
    return (text.translate(_TURKIC_CASE) if base_language(language) in ("tr", "az") else text).lower()


def plain(text: str, language: str) -> str:
    """NFC, ASCII digits and width, lower case, white space squeezed; punctuation stays. For edit distances."""
    shaped = _SHAPES.sub(lambda found: unicodedata.normalize("NFKC", found[0]), nfc(bare(text)))
    return nfc(squeeze(small(to_ascii(narrow(_persian(shaped, language))), language)))


def answer_key(text: str, language: str) -> str:
    """The loosest form: also without punctuation. Equal keys are one answer; the dots of U.S.A. part no words."""
    text = _persian(to_ascii(bare(text)), language)
    return key(_ACRONYM.sub(lambda found: found[0].replace(".", ""), text) if "." in text else text, language)


def _persian(text: str, language: str) -> str:
    """Arabic yeh and kaf, which keyboards write, as the letters of Persian and its neighbours."""
    return text.translate(_PERSIAN_LETTERS) if base_language(language) in _PERSIAN else text


@lru_cache(maxsize=65536)
def number_of(answer: str, language: str) -> float | None:
    """The number that an `answer_key` is, if it is one."""
    return parse_number(answer, language=language)


def same(prediction: str, reference: str, language: str) -> bool:
    """Equal keys, or equal numbers in whatever digits; hyphens may join words. An empty answer equals nothing."""
    first, second = answer_key(prediction, language), answer_key(reference, language)
    if first == second:
        return bool(first)
    number = number_of(first, language)
    if number is not None:
        return number == number_of(second, language)
    if _HYPHEN.search(prediction) is None and _HYPHEN.search(reference) is None:
        return False
    joined = [answer_key(_HYPHEN.sub("", text), language) for text in (prediction, reference)]
    return joined[0] == joined[1]


def holds(text: str, part: str, language: str) -> bool:
    """Whether ``part`` stands in ``text`` as whole words and numbers, in whatever form `same` takes for equal.

    A word may follow an elided one (l'école) or have an ending set off (Ankara'da); in Arabic and Hebrew it may have
    its article, a preposition and "and" written onto it.
    """
    if contains(answer_key(text, language), answer_key(part, language), base_language(language)):
        return True
    if _APOSTROPHE.search(text) is not None:
        first, second = (answer_key(_APOSTROPHE.sub(" ", side), language) for side in (text, part))
        if len(second) > 1 and contains(first, second, base_language(language)):
            return True
    return same(text, part, language)


def contains(text: str, part: str, language: str = "") -> bool:
    """Whether ``part`` stands in ``text`` as whole words and numbers. Both are keys.

    Scripts without spaces have no boundaries to respect; Korean particles may follow; digits never touch digits.
    With ``language`` ``ar`` or ``he`` a word of three letters or more may have what such languages write onto it.
    """
    clitics = _PROCLITICS.get(language) if len(part) > 2 else None
    start = text.find(part) if part else -1
    while start >= 0:
        end = start + len(part)
        begins = _boundary(text, start, start - 1)
        if not begins and clitics is not None:
            begins = clitics.fullmatch(text, text.rfind(" ", 0, start) + 1, start) is not None
        if begins and _boundary(text, end - 1, end, after=True):
            return True
        start = text.find(part, start + 1)
    return False


def _boundary(text: str, inner: int, outer: int, *, after: bool = False) -> bool:
    if not 0 <= outer < len(text):
        return True
    inside, outside = text[inner], text[outer]
    if inside.isdigit():
        step = 1 if after else -1
        further = text[outer + step] if 0 <= outer + step < len(text) else " "
        return not outside.isdigit() and not (outside in ".," and further.isdigit())
    if unicodedata.category(outside)[0] == "M":
        return False
    if not outside.isalpha() or _UNSPACED.match(inside) or _UNSPACED.match(outside):
        return True
    return after and bool(_HANGUL.match(inside))
