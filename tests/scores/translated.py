"""Batches of translations as the engine gives them to scores."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from polysee.schema.arrow import to_table
from polysee.schema.sample import Origin, Turn, make_sample
from polysee.scores.base import TRANSLATED_FROM, Score

CAT = "A red cat sleeps."
CATS = (("ar", "قطة حمراء تنام."), ("zh", "一只红猫在睡觉。"), ("th", "แมวแดงหลับ"), ("hi", "लाल बिल्ली सोती है।"),
        ("am", "ቀይ ድመት ተኝታለች።"))  # fmt: skip

Row = tuple[str, Sequence[tuple[str, str]], str, Sequence[tuple[str, str]] | None, Sequence[str]]
"""Language and turns of a sample; language and turns of its source, None where it has none; tags."""


def batch(score: Score, rows: Sequence[Row]) -> pa.RecordBatch:
    """The rows with the columns that the score wants."""
    samples = [
        make_sample(
            task="caption",
            language=language,
            turns=tuple(Turn(*turn) for turn in turns),
            origin=Origin("s", str(number), ""),
            tags=tuple(tags),
        )
        for number, (language, turns, _, _, tags) in enumerate(rows)
    ]
    sources = [
        None if turns is None else {"language": language, "turns": [{"input": i, "output": o} for i, o in turns]}
        for _, _, language, turns, _ in rows
    ]
    table = to_table(samples).append_column(TRANSLATED_FROM, pa.array(sources, TRANSLATED_FROM.type))
    (made,) = table.combine_chunks().select(list(score.inputs)).to_batches()
    return made


def values(score: Score, rows: Sequence[Row]) -> list[float | None]:
    """What the score says of the rows."""
    made = score.compute(batch(score, rows))
    assert made.schema == score.outputs
    found: list[float | None] = made.column(0).to_pylist()
    return found


def caption(language: str, text: str, source: str | None = CAT, *tags: str) -> Row:
    """A caption and what it was translated from."""
    return language, [("", text)], "en", None if source is None else [("", source)], tags
