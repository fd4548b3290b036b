"""What a format keeps, found by reading the written files back and comparing field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from polysee.schema.sample import Sample

Reader = Callable[[str, Mapping[str, str], Path], Callable[[str], Iterator["Sample | Unreadable"]]]
"""Opens a folder with a source (its name, its parameters beside ``path``); what it gives reads one file, in order."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that the source rejects, and why."""

    reason: str


FIELDS: dict[str, Callable[[Sample], object]] = {
    "task": lambda s: s.task,
    "language": lambda s: s.language,
    "media": lambda s: [m.sha256 for m in s.media],
    "kind of media": lambda s: [m.kind for m in s.media],
    "boxes": lambda s: [m.box for m in s.media],
    "spans": lambda s: [m.span for m in s.media],
    "instruction": lambda s: s.instruction,
    "turns": lambda s: s.turns,
    "options": lambda s: s.options,
    "split": lambda s: s.split,
    "tags": lambda s: s.tags,
    "references": lambda s: s.references,
    "licence": lambda s: s.origin.licence,
    "origins": lambda s: s.origins,
}
"""Sizes and numbers of frames are not among them: they follow from the bytes."""


@dataclass
class Comparison:
    """``differ``: samples of which a field came back otherwise. ``other_id``: of which the id did."""

    compared: int = 0
    other_id: int = 0
    differ: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample, found: Sample | Unreadable) -> None:
        """Compare what was exported with what was read."""
        self.compared += 1
        if isinstance(found, Unreadable):
            self.unreadable[found.reason] += 1
            return
        self.other_id += sample.id != found.id
        for name, get in FIELDS.items():
            self.differ[name] += get(sample) != get(found)

    @property
    def lost(self) -> dict[str, int]:
        """Field → samples of which it was not kept, in the order of `FIELDS`."""
        return {name: self.differ[name] for name in FIELDS if self.differ[name]}

    def lines(self) -> list[str]:
        """The findings, a sentence each."""
        of = f"of {self.compared:,} samples"
        if not self.lost and not self.unreadable:
            found = [f"every field of the {self.compared:,} samples was read back as it was"]
        else:
            found = [f"{name}: not kept in {number:,} {of}" for name, number in self.lost.items()]
        found += [f"cannot be read back: {number:,} {of} ({why})" for why, number in sorted(self.unreadable.items())]
        if self.other_id:
            found.append(f"{self.other_id:,} {of} get another id when they are read back")
        return found
