"""The Arrow schema of a sample, and the way between Arrow rows and `Sample`. A test keeps the two equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from polysee.schema.sample import MediaRef, Origin, Sample, Turn

MEDIA_REF = pa.struct(
    [
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("box", pa.list_(pa.float64())),
        pa.field("span", pa.list_(pa.float64())),
    ]
)
TURN = pa.struct([pa.field("input", pa.string(), nullable=False), pa.field("output", pa.string(), nullable=False)])
ORIGIN = pa.struct(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("source", "key", "licence", "parent", "step", "service", "model", "parameters")
    ]
)
SAMPLE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("media", pa.list_(MEDIA_REF), nullable=False),
        pa.field("instruction", pa.string(), nullable=False),
        pa.field("turns", pa.list_(TURN), nullable=False),
        pa.field("options", pa.list_(pa.string()), nullable=False),
        pa.field("origins", pa.list_(ORIGIN), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("references", pa.list_(pa.string()), nullable=False),
    ]
)
SAMPLE_COLUMNS: tuple[str, ...] = tuple(SAMPLE_SCHEMA.names)

MEDIA_SCHEMA = pa.schema(
    [
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("data", pa.large_binary(), nullable=False),
    ]
)
"""One row for each distinct medium. ``data`` holds the original bytes; ``format`` is Pillow's or PyAV's name."""

REJECT_SCHEMA = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("step", "source", "key", "language", "reason", "detail")]
)


def to_table(samples: Iterable[Sample]) -> pa.Table:
    """Rows of `SAMPLE_SCHEMA`, in the given order."""
    return pa.Table.from_pylist([asdict(s) for s in samples], schema=SAMPLE_SCHEMA)


def from_table(table: pa.Table | pa.RecordBatch) -> Iterator[Sample]:
    """The samples of a table that has at least the columns of `SAMPLE_SCHEMA`; further columns are ignored.

    Runs from before samples had references lack that column; theirs are empty.
    """
    for row in table.select([name for name in SAMPLE_COLUMNS if name in table.schema.names]).to_pylist():
        yield _sample(row)


def _sample(row: dict[str, Any]) -> Sample:
    return Sample(
        id=row["id"],
        task=row["task"],
        language=row["language"],
        media=tuple(_media(m) for m in row["media"]),
        instruction=row["instruction"],
        turns=tuple(Turn(**t) for t in row["turns"]),
        options=tuple(row["options"]),
        origins=tuple(Origin(**o) for o in row["origins"]),
        split=row["split"],
        tags=tuple(row["tags"]),
        references=tuple(row.get("references", ())),
    )


def _media(row: dict[str, Any]) -> MediaRef:
    return MediaRef(
        sha256=row["sha256"],
        kind=row["kind"],
        width=row["width"],
        height=row["height"],
        frames=row["frames"],
        box=tuple(row["box"]) if row["box"] is not None else None,
        span=tuple(row["span"]) if row["span"] is not None else None,
    )
