"""A source's records as samples, without a run: how an export is read again and compared with what it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from polysee import sources
from polysee.schema.sample import MediaRef, Origin, Sample, make_sample
from polysee.sources.base import Reject, Source, SourceRecord
from polysee.store.exports.compare import Unreadable


def open_export(use: str, params: Mapping[str, str], folder: Path) -> Callable[[str], Iterator[Sample | Unreadable]]:
    """Opens a folder with the source ``use``; what it gives reads one file of it. A `polysee.store.exports` reader."""
    kind = sources.get(use)
    source: Source = kind(kind.Params(path=str(folder), **params))

    def read(file: str) -> Iterator[Sample | Unreadable]:
        for record in source.read(file):
            yield Unreadable(record.reason) if isinstance(record, Reject) else as_sample(record)

    return read


def as_sample(record: SourceRecord) -> Sample | Unreadable:
    """The sample of a record whose media are not decoded: their sizes are 0, and no hash depends on them."""
    media = tuple(
        MediaRef(sha256(blob.data).hexdigest(), blob.kind, 0, 0, box=blob.box, span=blob.span) for blob in record.media
    )
    try:
        sample = make_sample(
            task=record.task,
            language=record.language,
            turns=record.turns,
            origin=Origin("", record.key, record.licence),
            media=media,
            instruction=record.instruction,
            options=record.options,
            split=record.split,
            tags=record.tags,
            references=record.references,
        )
    except ValueError:
        return Unreadable("invalid-sample")
    if not record.origins:
        return sample
    # The reading run's own origin comes first in a run; here nothing is read for a run.
    return replace(sample, origins=record.origins)
