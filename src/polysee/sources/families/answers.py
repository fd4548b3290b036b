"""Answers: the majority of annotators, answers that are numbers, candidates cut to a few."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from polysee.schema.errors import BadRecord
from polysee.sources.fields import text


def majority(answers: Sequence[str]) -> str:
    """The most frequent answer, of equally frequent ones the first. Raises `BadRecord` (``empty-answer``)."""
    counted = Counter(answer for answer in answers if answer)
    if not counted:
        raise BadRecord("empty-answer", "there is no answer")
    return counted.most_common(1)[0][0]  # Counter keeps the order of first sight, and the sort is stable


def said(value: object, name: str) -> str:
    """An answer as text; whole numbers are written without a point. Raises `BadRecord` for other types."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return text(value, name)


def sayings(value: object, name: str) -> tuple[str, ...]:
    """A list of answers: texts, numbers, or objects with ``answer``; a single one counts as a list."""
    several = value if isinstance(value, list) else [value]
    return tuple(said(one.get("answer") if isinstance(one, dict) else one, name) for one in several)


def chosen(options: Sequence[str], index: object, name: str) -> str:
    """The option at a position from 0. Raises `BadRecord` (``bad-option``)."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(options):
        raise BadRecord("bad-option", f"{name} is {index!r}, of {len(options)} options")
    return options[index]


def required(data: Mapping[str, Any], name: str) -> Any:
    """A value that must be there. Raises `BadRecord` (``missing-field``)."""
    if data.get(name) is None:
        raise BadRecord("missing-field", name)
    return data[name]


def listed(data: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    """A list of ``kind`` that must be there. Raises `BadRecord` (``missing-field``, ``wrong-type``)."""
    found = required(data, name)
    if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
        raise BadRecord("wrong-type", f"{name} is no list of {kind.__name__}")
    return found


def draws(seed: int, key: str) -> Iterator[int]:
    """Endless whole numbers below 2**64 that depend on seed and key alone, on every machine and version."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{seed}\0{key}\0{number}".encode("utf-8", "surrogatepass")).digest()
        yield int.from_bytes(digest[:8], "big")
        number += 1


def few_options(gold: str, candidates: Sequence[str], count: int, *, seed: int, key: str) -> tuple[str, ...]:
    """At most ``count`` (≥ 2) of the candidates, the gold one among them, drawn by the record's key.

    Candidates must be distinct. A short list is kept whole and in its order; a cut one is in the order of the draw,
    so that the place of the right answer tells nothing. Raises `BadRecord` (``bad-option``) if gold is no candidate.
    """
    if gold not in candidates:
        raise BadRecord("bad-option", f"{gold!r} is not among the candidates")
    if len(candidates) <= count:
        return tuple(candidates)
    stream = draws(seed, key)
    place, picked = next(stream) % count, list[str]()
    for draw in stream:
        one = candidates[draw % len(candidates)]
        if one != gold and one not in picked:
            picked.append(one)
        if len(picked) == count - 1:
            break
    return (*picked[:place], gold, *picked[place:])
