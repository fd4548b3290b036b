"""What a model has kept of what it could before training: questions without pictures, and questions in English."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from polysee.evaluation.compare import Comparison, compare, pair
from polysee.evaluation.items import Answers, Item
from polysee.schema.errors import UserError
from polysee.text.languages import base_language

SUITE = "suite:"
"""Prefix of the tag that puts a question into a suite, whatever it looks like: ``suite:text``, ``suite:english``."""


def _text(item: Item) -> bool:
    # A question without a medium is a cluster of its own.
    return f"{SUITE}text" in item.tags or item.cluster == item.key.sample


def _english(item: Item) -> bool:
    return f"{SUITE}english" in item.tags or (not _text(item) and base_language(item.key.cell.language) == "en")


SUITES: Mapping[str, Callable[[Item], bool]] = {"text": _text, "english": _english}
"""``text``: questions without media, in any language; ``english``: questions about media, in English."""


def retention(start: Answers, now: Answers, *, resamples: int, seed: int) -> dict[str, Comparison]:
    """``now`` against the checkpoint that training started from, by suite, on the questions that both answered.

    Raises `UserError` where neither suite has a question in common.
    """
    found: dict[str, Comparison] = {}
    for name, belongs in SUITES.items():
        before, after = start.where(belongs), now.where(belongs)
        if {item.key for item in before.items} & {item.key for item in after.items}:
            found[name] = compare(pair(before, after, resamples=resamples, seed=seed))
    if not found:
        raise UserError(
            f"{start.path} and {now.path} share no questions without pictures and none in English",
            "ask both models the tasks that the starting checkpoint could answer, in English or without pictures",
        )
    return found
