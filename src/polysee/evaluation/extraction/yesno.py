"""Yes or no, in any language that has a table. What says neither is None; nothing becomes a yes for want of a no."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import regex

from polysee.evaluation.extraction.final import announced, body
from polysee.evaluation.extraction.lexicon import (
    FALLBACK,
    Lexicon,
    lexicon,
    lower,
    phrases,
    prepare,
    table_name,
    unspaced,
)

Answer = Literal["yes", "no"]

_EDGE = regex.compile(r"^[\s\p{P}\p{S}]+|[\s\p{P}\p{S}]+$")
_APART = regex.compile(r"[\s\p{P}\p{S}]")
_CLAUSE = regex.compile(r"[,;.!?،؛؟。，；！？、।።፣:：\n]+")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Patterns of one language. ``plain``: answers in themselves; ``kind`` says which word means what."""

    plain: regex.Pattern[str]
    kind: dict[str, Answer]
    start: regex.Pattern[str]
    start_kind: dict[str, Answer]
    affirm: regex.Pattern[str]
    deny: regex.Pattern[str]
    unsure: regex.Pattern[str]
    ignore: regex.Pattern[str]


def yes_no(text: str, *, language: str = "en") -> Answer | None:
    """What ``text`` answers, or None where it does not say.

    In this order: a yes or no word at the beginning, behind words such as "the answer is", or anywhere if only one of
    the two occurs; then a negated statement ("there is no dog") is no, and one that begins or ends with the words for
    "there is" is yes. Doubts ("not sure", "I do not know") answer nothing. English is understood in every language,
    but for words that mean something else there. Reasoning between think marks is left out.
    """
    inner = body(text)
    for reader in _readers(table_name(language) or "", language):
        found = _read(inner, reader, language)
        if found is not None:
            return found
    return None


def _read(text: str, reader: _Reader, language: str) -> Answer | None:
    whole = lower(prepare(text), language)
    small = _EDGE.sub("", reader.ignore.sub(lambda m: m[0] if m[0] in reader.kind else " , ", whole))
    if not small:
        return None
    opening = reader.start.match(small)
    if opening is not None:
        return reader.start_kind[opening[0]]
    result = announced(small, language)
    if result is not None:
        led = reader.start.match(_EDGE.sub("", result))
        if led is not None:
            return reader.start_kind[led[0]]
    found = {reader.kind[m[0]] for m in reader.plain.finditer(small) if _free(small, m)}
    if found:
        return next(iter(found)) if len(found) == 1 else None
    if reader.unsure.search(whole):
        return None
    if reader.deny.search(small):
        return "no"
    return "yes" if _affirms(small, reader) else None


def _free(small: str, found: regex.Match[str]) -> bool:
    """Whether a word of a script without spaces begins a clause: 是 and はい are parts of other words too."""
    return not unspaced(found[0]) or found.start() == 0 or bool(_APART.match(small[found.start() - 1]))


def _affirms(small: str, reader: _Reader) -> bool:
    for clause in _CLAUSE.split(small):
        clause = _EDGE.sub("", clause)
        if clause and any(m.start() == 0 or m.end() == len(clause) for m in reader.affirm.finditer(clause)):
            return True
    return False


@lru_cache(maxsize=512)
def _readers(name: str, language: str) -> tuple[_Reader, ...]:
    own, english = lexicon(name) if name else None, lexicon(FALLBACK)
    assert english is not None
    if own is None or name == FALLBACK:
        return (_reader(english, language, frozenset()),)
    return _reader(own, language, frozenset()), _reader(english, language, frozenset(own.false_friends) | _shared(own))


def _shared(own: Lexicon) -> frozenset[str]:
    """English words that the language's own table reads already, or its doubts and idioms hold."""
    return frozenset(word for words in (own.yes, own.no, own.deny, own.affirm, own.start_no) for word in words)


def _holding(words: Iterable[str], parts: Sequence[str]) -> list[str]:
    return [word for word in words if unspaced(word) and any(part in word for part in parts)]


def _reader(table: Lexicon, language: str, without: frozenset[str]) -> _Reader:
    def form(word: str) -> str:
        return lower(prepare(word), language)

    yes = [w for w in table.yes if w not in without]
    no = [w for w in table.no if w not in without]
    kind: dict[str, Answer] = {}
    kind.update({form(w): "yes" for w in yes})
    kind.update({form(w): "no" for w in no})
    # A single sign such as 有 opens a yes; longer words for "there is" need a clause of their own.
    first: dict[str, Answer] = {}
    first.update({form(w): "yes" for w in table.affirm if unspaced(w) and len(w) == 1})
    first.update({form(w): "no" for w in table.start_no})
    first.update(kind)
    return _Reader(
        plain=phrases(kind, language),
        kind=kind,
        start=phrases(first, language),
        start_kind=first,
        affirm=phrases(table.affirm, language),
        deny=phrases([w for w in (*table.deny, *table.no) if w not in without], language),
        unsure=phrases(table.unsure, language),
        # A yes or no word that an idiom is part of is read as that word: 是否定的 holds 是否.
        ignore=phrases([*table.unsure, *table.ignore, *_holding(kind, [form(w) for w in table.ignore])], language),
    )
