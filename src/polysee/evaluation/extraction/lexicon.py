"""The words that answers are read by, one YAML table a language; a new language is a new file and no code.

The tables were written for polysee; ``reviewed`` says whether a native speaker has read one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import regex
from pydantic import Field
from ruamel.yaml import YAML

from polysee.schema.config import Config
from polysee.text.languages import base_language, canonical
from polysee.text.normalise import nfc, strip_invisible

Words = tuple[str, ...]
FALLBACK = "en"
"""Models answer in English whatever they are asked in: its words are understood beside those of every language."""


class Lexicon(Config):
    """What one language's table holds. All lists are optional.

    ``letters``: series of option letters, the usual one first; variants of one letter are set apart by ``/``.
    ``words``: option letters that are words of the language too, such as the article ``a``.
    ``suffixes``: what may follow a letter without a space. ``yes``, ``no``: answers in themselves. ``affirm``,
    ``start_no``: the same, at either end or at the beginning of an answer only. ``deny``: negates a whole statement.
    ``unsure``: says that there is no answer. ``ignore``: holds yes or no words, yet means neither. ``answer``,
    ``option``: announce a letter. ``right``, ``wrong``: judge one. ``copula``: "is", which stands before a judgement
    or, in scripts without spaces, a letter. ``or``: join two. ``final``: announces the result. ``articles``: one that
    is written onto its word ends in ``-``. ``numbers``: from zero upwards. ``ordinals``: first to fourth, as they
    agree with "option". ``scales``: words that multiply the number before them. ``false_friends``: English words that
    mean something else here. ``percent``: what is written behind a number. ``stemmer``: of Snowball. ``prefixing``:
    "and" or "the" is written onto a word. ``verb_final``: a negation stands behind what it negates.
    """

    reviewed: bool
    letters: Words = ()
    words: Words = ()
    suffixes: Words = ()
    yes: Words = ()
    no: Words = ()
    affirm: Words = ()
    start_no: Words = ()
    deny: Words = ()
    unsure: Words = ()
    ignore: Words = ()
    answer: Words = ()
    option: Words = ()
    right: Words = ()
    wrong: Words = ()
    copula: Words = ()
    joins: Words = Field(default=(), alias="or")
    final: Words = ()
    articles: Words = ()
    numbers: Words = ()
    ordinals: Words = ()
    scales: dict[str, int] = Field(default_factory=dict)
    false_friends: Words = ()
    percent: Words = ()
    stemmer: str | None = None
    prefixing: bool = False
    verb_final: bool = False


def languages() -> list[str]:
    """Tags that have a table of their own, sorted."""
    names = (path.name for path in _folder().iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml") and name != "aliases.yaml")


@lru_cache(maxsize=512)
def lexicon(tag: str) -> Lexicon | None:
    """The table for a BCP-47 tag, its nearest parent or its alias; None where there is none."""
    name = table_name(tag)
    if name is None:
        return None
    return Lexicon.model_validate(_load(_folder() / f"{name}.yaml"))


@lru_cache(maxsize=512)
def table_name(tag: str) -> str | None:
    """The name of the table that serves a tag: ``nb`` for ``nn-NO``."""
    for candidate in (tag, canonical(tag) or tag):
        for name in (candidate, base_language(candidate)):
            name = _aliases().get(name, name)
            if name in _tables():
                return name
    return None


@lru_cache(maxsize=1)
def _tables() -> frozenset[str]:
    return frozenset(languages())


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    return {str(tag): str(name) for tag, name in _load(_folder() / "aliases.yaml").items()}


def _folder() -> Traversable:
    return files("polysee.evaluation.extraction").joinpath("languages")


def _load(path: Traversable) -> dict[str, object]:
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


_TURKIC = ("tr", "az")
_TURKIC_CASE = str.maketrans({"I": "ı", "İ": "i"})
_SHORT_VOWELS = regex.compile("[\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
# Circled digits number options; NFKC would make plain digits of them. The emoji A and B have no decomposition.
_LABELS = str.maketrans(
    {chr(0x2460 + i): f"({chr(65 + i)})" for i in range(20)}
    | {chr(0x2776 + i): f"({chr(65 + i)})" for i in range(10)}
    | {chr(base + i): chr(65 + i) for base in (0x1F150, 0x1F170) for i in range(26)}
)
_UNITE = str.maketrans(
    {"ي": "ی", "ى": "ی", "ك": "ک", "’": "'", "‘": "'", "ʼ": "'", "ʻ": "'", "´": "'", "`": "'", "\u00a0": " "}
)


def prepare(text: str, *, labels: bool = False) -> str:
    """A form in which letters and words of answers are looked up, case kept.

    NFKC without invisible characters, Arabic and Hebrew vowel points, or differences between Arabic and Persian yeh
    and kaf. With ``labels`` circled digits become the option letters of that number.
    """
    if text.isascii():
        return text.replace("`", "'")
    if labels:
        text = text.translate(_LABELS)
    text = strip_invisible(text)
    return nfc(_SHORT_VOWELS.sub("", unicodedata.normalize("NFKC", text)).translate(_UNITE))


def lower(text: str, language: str) -> str:
    """Lower case of the same length, so that places in it are places in the text; Turkic i by its own rule."""
    if base_language(language) in _TURKIC:
        text = text.translate(_TURKIC_CASE)
    out = text.lower()
    if len(out) != len(text):
        out = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return out


_UNSPACED = regex.compile(
    r"[\p{Script=Hani}\p{Script=Hira}\p{Script=Kana}\p{Script=Thai}\p{Script=Laoo}\p{Script=Khmr}\p{Script=Mymr}]"
)
_HANGUL = regex.compile(r"\p{Script=Hang}")
_NEVER = regex.compile(r"(?!)")


def unspaced(text: str) -> bool:
    """Whether ``text`` begins in a script that is written without spaces."""
    return bool(_UNSPACED.match(text))


def phrases(words: Iterable[str], language: str, *, start: bool = True, end: bool = True) -> regex.Pattern[str]:
    """A pattern of any of ``words`` in prepared lower-case text, the longest first.

    Words of scripts with spaces must begin (``start``) and end (``end``) at a word's boundary.
    """
    spaced: list[str] = []
    free: list[str] = []
    for word in sorted({lower(prepare(w), language) for w in words}, key=lambda w: (-len(w), w)):
        (free if unspaced(word) else spaced).append(word)
    parts = [regex.escape(word, special_only=True) for word in free]
    if spaced:
        body = "|".join(_bounded(word, end) for word in spaced)
        parts.append((r"(?<![\p{L}\p{M}])" if start else "") + f"(?:{body})")
    return regex.compile("|".join(parts)) if parts else _NEVER


def _bounded(word: str, end: bool) -> str:
    body = regex.escape(word, special_only=True)
    # Korean particles stand on the word: 정답은 is 정답.
    open_end = not end or not word[-1].isalpha() or _HANGUL.match(word[-1])
    return body if open_end else body + r"(?![\p{L}\p{M}\p{Nd}])"
