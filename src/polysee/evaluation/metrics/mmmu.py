"""MMMU's open questions."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import regex

from polysee.evaluation.extraction.final import announced, body
from polysee.evaluation.extraction.lexicon import FALLBACK, lexicon, lower, phrases, prepare
from polysee.evaluation.extraction.number import number_word, numbers_in
from polysee.evaluation.metrics.base import Call, Metric, texts
from polysee.evaluation.metrics.forms import answer_key, contains
from polysee.evaluation.numbers import parse_number

_KEYS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_COMMAS = re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b")
_POWERS = re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+")
_SIMPLE = re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])")

# A number, or a word; in scripts without spaces up to the conjunction that turns to what is true.
_DENIED = regex.compile(r"\W*(?:\p{Nd}[\p{Nd}.,%٫٬]*|(?:(?!而是|而|แต่)[\w.,%٫٬])+)")
_WORD = regex.compile(r"[\w.,%٫٬]+")


def mmmu_open(prediction: str, references: Any, call: Call) -> bool:
    """Whether the answer gives a gold number (to two decimals) or holds a gold text.

    Official: MMMU's own parser, where any number of the last phrases counts. Multilingual: only the result does, and
    nothing that the text denies ("not 5 but 7").
    """
    golds = texts(references)
    return _official(prediction, golds) if call.official else any(_gives(prediction, g, call.language) for g in golds)


def _official(prediction: str, golds: list[str]) -> bool:
    phrases_found = _key_phrases(prediction)
    parts = list(phrases_found)
    for phrase in phrases_found:
        for pattern in (_COMMAS, _POWERS, _SIMPLE):
            parts += pattern.findall(phrase)
    wanted = {form for gold in golds for form in _forms(gold)}
    for found in {form for part in parts for form in _forms(part)}:
        if isinstance(found, str):
            if any(isinstance(form, str) and form in found for form in wanted):
                return True
        elif found in wanted:
            return True
    return False


def _key_phrases(text: str) -> list[str]:
    text = text.strip().strip(".").lower()
    lines = text.split("\n")
    found = []
    for place, line in enumerate(lines):
        keys = (*_KEYS, "=") if place == len(lines) - 1 else _KEYS
        tails = [line.split(key)[-1].strip() for key in keys if key in line]
        # The peer takes an empty tail for none yet, so that a later key replaces it.
        shortest = ""
        for tail in tails:
            if not shortest or len(tail) < len(shortest):
                shortest = tail
        if shortest and shortest not in (":", ",", ".", "!", "?", ";", "'"):
            found.append(shortest)
    return found or [text]


def _forms(text: str) -> list[str | float]:
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _gives(prediction: str, gold: str, language: str) -> bool:
    inner = body(prediction)
    result = announced(inner, language)
    part = inner if result is None else result
    part = part.rsplit("=", 1)[-1]
    target = parse_number(gold, language="en")
    if target is None:
        target = parse_number(gold, language=language)
    affirmed = _affirmed(part, language)
    if target is not None:
        whole = number_word(part, language=language)
        values = [found.value for found in numbers_in(affirmed, language=language)]
        value = whole if whole is not None else (values[-1 if result is None else 0] if values else None)
        return value is not None and round(value, 2) == round(target, 2)
    return contains(answer_key(affirmed, language), answer_key(gold, language))


def _affirmed(text: str, language: str) -> str:
    """The text without the one word or number that each negation is about."""
    small = lower(prepare(text), language)
    for tag in dict.fromkeys((language, FALLBACK)):
        table = lexicon(tag)
        if table is not None:
            small = (_without_before if table.verb_final else _without_after)(small, _denials(tag))
    return small


def _without_after(text: str, denials: regex.Pattern[str]) -> str:
    out, place = [], 0
    for found in denials.finditer(text):
        if found.start() >= place:
            following = _DENIED.match(text, found.end())
            out.append(text[place : found.start()])
            place = following.end() if following else found.end()
    return " ".join([*out, text[place:]])


def _without_before(text: str, denials: regex.Pattern[str]) -> str:
    """For languages that end on the verb: of "5 değil 7" there remains 7."""
    out, place = [], 0
    for found in denials.finditer(text):
        words = list(_WORD.finditer(text, place, found.start()))
        out.append(text[place : words[-1].start()] if words else text[place : found.start()])
        place = found.end()
    return " ".join([*out, text[place:]])


@lru_cache(maxsize=256)
def _denials(language: str) -> regex.Pattern[str]:
    table = lexicon(language)
    return phrases(table.deny if table is not None else (), language)


METRICS: dict[str, Metric] = {"mmmu_open": mmmu_open}
