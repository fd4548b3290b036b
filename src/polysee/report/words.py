"""How the report writes numbers and languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from polysee.evaluation.scores import Seen
from polysee.schema.errors import UserError
from polysee.text.languages import Direction, language

SEEN_ORDER: tuple[Seen, ...] = ("vl", "text", "none")
SEEN_WORDS: dict[Seen, str] = {
    "vl": "Trained with pictures",
    "text": "Trained with text only",
    "none": "Never seen in training",
}
DATA_WORDS: dict[Seen, str] = {
    "vl": "With pictures",
    "text": "Text only",
    "none": "No training samples",
}
"""The same where no model is trained."""
SPLIT_WORDS = {
    "development": "development scenes",
    "scenes": "new scenes",
    "concepts": "new concepts",
    "pairs": "new task × language pairs",
    "languages": "new languages",
}
SPLIT_ORDER = ("scenes", "concepts", "pairs", "languages", "development")
BASELINE_WORDS = {
    "blank": "blank picture",
    "untrained": "untrained model",
    "shuffled": "question in another language",
}
UNKNOWN = "–"
"""Stands for a number that does not exist."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language as the page shows it. ``seen``: what the training data had of it."""

    tag: str
    name: str
    autonym: str
    script: str
    direction: Direction
    seen: Seen = "none"


@lru_cache(maxsize=4096)
def tongue(tag: str, seen: Seen = "none") -> Tongue:
    """A tag that the tables do not know stands for itself: old data must not keep a report from being written."""
    try:
        known = language(tag)
    except UserError:
        return Tongue(tag, tag, tag, "Zzzz", "ltr", seen)
    return Tongue(tag, known.name, known.autonym, known.script, known.direction, seen)


def in_order(tongues: Iterable[Tongue]) -> list[Tongue]:
    """By what was seen of them, then by tag."""
    return sorted(tongues, key=lambda t: (SEEN_ORDER.index(t.seen), t.tag))


def split_key(split: str) -> tuple[int, str]:
    """Sorts splits: the known ones in the order in which one reads them, others after them."""
    return (SPLIT_ORDER.index(split) if split in SPLIT_ORDER else len(SPLIT_ORDER), split)


def split_words(split: str) -> str:
    return SPLIT_WORDS.get(split, split)


def baseline_words(baseline: str) -> str:
    return BASELINE_WORDS.get(baseline, baseline)


def count(number: float | None) -> str:
    """``12,345``; a dash for None."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def compact(number: float | None) -> str:
    """Three digits and a unit: ``1.23 M``."""
    if number is None:
        return UNKNOWN
    for limit, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit:
            scaled = number / (1e3 if unit == "k" else limit)
            return f"{scaled:.{max(0, 3 - len(str(int(abs(scaled)))))}f} {unit}"
    return f"{number:,.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """``41.3`` for 0.413, without a sign; a dash for None."""
    return UNKNOWN if share is None else f"{100 * share:.{digits}f}"


def decimals(number: float | None, digits: int = 2) -> str:
    return UNKNOWN if number is None else f"{number:.{digits}f}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
