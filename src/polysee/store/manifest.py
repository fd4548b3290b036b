"""Manifests: one file a finished step, written after everything else, that says what it made and from what."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from polysee.store.atomic import crash_point, sync_folder
from polysee.store.sealed import Damaged, read_sealed, write_sealed

DATA_VERBS = ("source", "transform", "score", "select")
"""The verbs that change the samples. Their manifests form one chain."""

_FILE = re.compile(r"(?P<index>\d{2,})-(?P<name>.+)\.json")


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """How many samples of one language went into a step, and what became of them.

    Always ``in_ = out + sum(dropped) + unknown + failed``; ``ValueError`` otherwise. ``out`` counts inputs that are
    still there after the step; ``made`` counts the rows that they became (more than ``out`` where a transform makes
    many from one), by the language of the new rows; `None` means "as many as ``out``". A score's ``unknown`` and
    ``failed`` rows stay in the dataset with a null.
    """

    step: str
    verb: str
    language: str
    in_: int
    out: int
    dropped: tuple[tuple[str, int], ...] = ()
    unknown: int = 0
    failed: int = 0
    made: int | None = None

    def __post_init__(self) -> None:
        total = self.out + sum(n for _, n in self.dropped) + self.unknown + self.failed
        if self.in_ != total:
            raise ValueError(f"the funnel of {self.step} ({self.language}) leaks: {self.in_} in, {total} accounted for")

    def to_json(self) -> dict[str, JsonValue]:
        """The row as ``funnel.json`` has it."""
        return {
            "step": self.step,
            "verb": self.verb,
            "language": self.language,
            "in": self.in_,
            "out": self.out,
            "dropped": dict(sorted(self.dropped)),
            "unknown": self.unknown,
            "failed": self.failed,
            "made": self.out if self.made is None else self.made,
        }


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a committed step was and made.

    ``previous``: the fingerprint of the step it came after ("" for the first). ``samples``, ``media``, ``rejects``:
    versions of the Lance datasets, for the four data verbs; they are addresses and feed no hash. ``outputs``: paths
    below the run folder that must exist for the step to count as done.
    """

    index: int
    name: str
    verb: str
    version: int
    fingerprint: str
    previous: str
    parameters: JsonValue
    inputs: tuple[str, ...]
    funnel: tuple[FunnelRow, ...]
    summary: str
    polysee: str
    outputs: tuple[str, ...] = ()
    samples: int | None = None
    media: int | None = None
    rejects: int | None = None

    @property
    def file(self) -> str:
        return f"{self.index:02d}-{self.name}.json"


_adapter: TypeAdapter[Manifest] = TypeAdapter(Manifest)


class ManifestFolder:
    """The ``steps`` folder of a run. ``warn`` is told of damaged files, which count as not there."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path = path
        self._warn = warn

    def all(self) -> list[Manifest]:
        """All sound manifests, in the order of the steps."""
        if not self.path.is_dir():
            return []
        found = (self._load(path) for path in sorted(self.path.iterdir()) if _FILE.fullmatch(path.name))
        return sorted((m for m in found if m is not None), key=lambda m: (m.index, m.name))

    def find(self, name: str) -> Manifest | None:
        """The manifest of the step called ``name``, if it is committed."""
        return next((m for m in self.all() if m.name == name), None)

    def write(self, manifest: Manifest) -> None:
        """Publish ``manifest``; an older one of the same step under another number is removed afterwards."""
        value: Any = _adapter.dump_python(manifest, mode="json")
        write_sealed(self.path / manifest.file, value)
        self.remove(lambda file, name: name == manifest.name and file != manifest.file)

    def remove(self, which: Callable[[str, str], bool]) -> None:
        """Remove the manifests for which ``which(file name, step name)`` is true."""
        if not self.path.is_dir():
            return
        for path in sorted(self.path.iterdir(), reverse=True):
            match = _FILE.fullmatch(path.name)
            if match is not None and which(path.name, match["name"]):
                crash_point()
                path.unlink()
        sync_folder(self.path)

    def _load(self, path: Path) -> Manifest | None:
        try:
            manifest = _adapter.validate_python(read_sealed(path))
        except (Damaged, ValidationError) as error:
            self._warn(f"{path} is damaged and counts as not there ({str(error).splitlines()[0]})")
            return None
        if manifest.file != path.name:
            self._warn(f"{path} is not the manifest of that step and counts as not there")
            return None
        return manifest
