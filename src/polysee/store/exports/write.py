"""An export from the first row to the published folder: write, read back and compare, and say so in a card."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

from polysee import __version__
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.store import exports
from polysee.store.atomic import full_disk_errors, make_folder, sync_file
from polysee.store.exports.base import SHARD_BYTES, Format, Plan, Unfit, Written
from polysee.store.exports.card import Card, card
from polysee.store.exports.compare import Comparison, Reader
from polysee.store.exports.facts import Facts, step_uses
from polysee.store.exports.filenames import split_names
from polysee.store.exports.selection import Selection, Wanted
from polysee.store.folders import publish_folder
from polysee.store.lock import RunLock
from polysee.store.run import RunStore
from polysee.store.sealed import Damaged, read_sealed, write_sealed

MARK = ".polysee-export"
"""The file by which the folder of an export is known: only such a one is ever replaced."""


_MANY_FILES = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """``format``: a name in the registry. ``out``: the folder that is made, or an older export that is replaced."""

    format: str
    out: Path
    wanted: Wanted = field(default_factory=Wanted)
    shard_bytes: int = SHARD_BYTES


@dataclass
class Outcome:
    """What was written. ``left_out``: samples that the format cannot hold, by reason."""

    folder: Path
    facts: Facts = field(default_factory=Facts)
    left_out: Counter[str] = field(default_factory=Counter)
    comparison: Comparison = field(default_factory=Comparison)
    written: list[Written] = field(default_factory=list)
    unwritten_scores: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What the format left out and did not keep, a sentence each."""
        found = [f"left out: {number:,} ({why})" for why, number in sorted(self.left_out.items())]
        found += self.comparison.lines()
        if self.unwritten_scores:
            found.append(f"columns that are not written: {', '.join(self.unwritten_scores)}")
        return found


def export(
    store: RunStore, request: Request, reader: Reader, advance: Callable[[int, int], None] = lambda done, total: None
) -> Outcome:
    """Write the wanted samples of a run as a folder that appears whole or not at all.

    ``advance`` is told how many samples of how many are done; each counts twice, once written and once read back.
    Raises `UserError`: no such sample, a folder that is no export, a full disk, one that cannot be written.
    """
    kind = cast("type[Format]", exports.get(request.format))
    out = _folder(request.out, store.path)
    selection = Selection(store, request.wanted)
    outcome = Outcome(out)
    make_folder(out.parent)
    lock_path = out.parent / f".{out.name}.lock"
    lock = RunLock(lock_path)
    try:
        work = _Export(store, request, kind, selection, outcome)

        def fill(folder: Path) -> None:
            with _unchanged(store), full_disk_errors(out):
                work.fill(folder, reader, advance)

        publish_folder(out, fill)
    except BaseException:
        # What is half done cannot be gone on with, and may be what filled the disk.
        shutil.rmtree(out.with_name(f"{out.name}.partial"), ignore_errors=True)
        raise
    finally:
        lock_path.unlink(missing_ok=True)
        lock.release()
    return outcome


class _Export:
    def __init__(
        self, store: RunStore, request: Request, kind: type[Format], selection: Selection, outcome: Outcome
    ) -> None:
        self._store = store
        self._request = request
        self._kind = kind
        self._selection = selection
        self._outcome = outcome
        recipe = store.path / "recipe.yaml"
        self._recipe = recipe.read_text(encoding="utf-8") if recipe.is_file() else ""
        self._splits, self._videos = selection.outline()
        self._names = split_names(self._splits)

    def fill(self, folder: Path, reader: Reader, advance: Callable[[int, int], None]) -> None:
        """Write the export into ``folder`` and read it again; ``advance`` is told steps done and steps in all."""
        done, total = 0, 2 * self._selection.total

        def step(n: int) -> None:
            nonlocal done
            done += n
            advance(done, total)

        self._write(folder, step)
        outcome = self._outcome
        if not outcome.facts.samples:
            why = ", ".join(f"{number:,}: {reason}" for reason, number in sorted(outcome.left_out.items()))
            fix = f"choose another format ({', '.join(exports.names())})"
            raise UserError(f"no sample fits the format {self._request.format} ({why})", fix)
        self._compare(folder, reader, step)
        (folder / "README.md").write_text(card(self._card()), encoding="utf-8", newline="\n")
        summary: dict[str, Any] = {
            "format": self._request.format,
            "polysee": __version__,
            "run": self._fingerprint(),
            "samples": outcome.facts.samples,
        }
        write_sealed(folder / MARK, summary)
        _make_durable(folder)

    def _write(self, folder: Path, step: Callable[[int], None]) -> None:
        selection, outcome = self._selection, self._outcome
        plan = Plan(folder, self._names, selection.score_schema, self._videos, self._request.shard_bytes)
        writer = self._kind(plan)
        steps = step_uses(self._recipe)
        try:
            for split in self._splits:
                writer.start(split)
                for item in selection.items(self._fitting(split, outcome.left_out, step)):
                    writer.add(item)
                    outcome.facts.count(item.sample, steps)
                    step(1)
            outcome.written = writer.finish()
        except BaseException:
            writer.discard()
            raise
        if not self._kind.keeps_scores:
            outcome.unwritten_scores = tuple(selection.score_schema.names)

    def _compare(self, folder: Path, reader: Reader, step: Callable[[int], None]) -> None:
        read = reader(self._kind.source, self._kind.source_params, folder)
        ignored: Counter[str] = Counter()
        for split in self._splits:
            samples = (sample for sample, _ in self._fitting(split, ignored, step))
            for file in (one for one in self._outcome.written if one.split == split):
                for sample, found in zip(islice(samples, file.samples), read(file.name), strict=True):
                    self._outcome.comparison.add(sample, found)
                    step(1)
            assert next(samples, None) is None

    def _fitting(
        self, split: str, left_out: Counter[str], step: Callable[[int], None]
    ) -> Iterator[tuple[Sample, Mapping[str, object]]]:
        for sample, scores in self._selection.samples(split):
            try:
                self._kind.check(sample)
            except Unfit as unfit:
                left_out[unfit.reason] += 1
                step(1)
            else:
                yield sample, scores

    def _card(self) -> Card:
        outcome = self._outcome
        return Card(
            name=self._store.path.resolve().name,
            format=self._request.format,
            selection=self._request.wanted.words(),
            facts=outcome.facts,
            keeps=tuple(outcome.lines()),
            funnel=tuple(self._store.funnel()),
            recipe=self._recipe,
            fingerprint=self._fingerprint(),
            files={
                self._names[split]: self._kind.patterns.format(split=self._names[split])
                for split in self._splits
                if any(file.split == split for file in outcome.written)
            },
            source=self._kind.source,
            source_params=self._kind.source_params,
        )

    def _fingerprint(self) -> str:
        manifest = self._store.data_manifest()
        return manifest.fingerprint if manifest is not None else ""


def _folder(out: Path, run: Path) -> Path:
    """The folder with links followed. Raises `UserError` unless it is new, empty or an older export."""
    folder = out.expanduser().resolve()
    if not folder.name or folder == run.resolve():
        raise UserError("an export needs a folder of its own", "name a new folder", place=str(out))
    if folder.exists() and not folder.is_dir():
        raise UserError("this is a file", "name a new folder", place=str(out))
    if folder.is_dir() and any(folder.iterdir()):
        try:
            read_sealed(folder / MARK)
        except (OSError, Damaged):
            fix = "name a new folder, or an older export, which is then replaced"
            raise UserError("this folder holds other things than an export", fix, place=str(out)) from None
    return folder


def _make_durable(folder: Path) -> None:
    paths = [folder, *islice(folder.rglob("*"), _MANY_FILES)]
    if len(paths) > _MANY_FILES:
        # One call to the system for what may be a million small files.
        os.sync()
        return
    for path in paths:
        sync_file(path)


@contextmanager
def _unchanged(store: RunStore) -> Iterator[None]:
    """Raises `UserError` if the run's samples became others meanwhile: half of them would be of the old version."""

    def now() -> str:
        manifest = store.data_manifest()
        return manifest.fingerprint if manifest is not None else ""

    before = now()
    changed = UserError(
        "the run's samples changed while they were exported",
        "export again when the run is finished",
        place=str(store.path),
    )
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        if now() != before:
            raise changed from error
        raise
    if now() != before:
        raise changed
