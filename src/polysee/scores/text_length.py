"""How long a sample's text is, counted as its script writes it."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from polysee.schema.sample import IMAGE_MARK
from polysee.sources.base import Params
from polysee.text.segment import count_graphemes, count_words


class TextLengthParams(Params):
    """The score has no parameters."""


class TextLength:
    """``characters`` that readers see and ``words`` of instruction and turns (`polysee.text.segment`); ``turn_count``.

    Image marks are not text.
    """

    Params: ClassVar[type[TextLengthParams]] = TextLengthParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = ("instruction", "turns")
    outputs: ClassVar[pa.Schema] = pa.schema(
        [pa.field("characters", pa.int32()), pa.field("words", pa.int32()), pa.field("turn_count", pa.int32())]
    )

    def __init__(self, params: TextLengthParams) -> None:
        self._params = params

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row of counts for each sample."""
        rows = zip(batch.column("instruction").to_pylist(), batch.column("turns").to_pylist(), strict=True)
        return pa.RecordBatch.from_pylist([_lengths(*row) for row in rows], schema=self.outputs)


def _lengths(instruction: str, turns: list[dict[str, Any]]) -> dict[str, int]:
    parts = [instruction, *(part for turn in turns for part in (turn["input"], turn["output"]))]
    texts = [part.replace(IMAGE_MARK, "").strip() for part in parts]
    return {
        "characters": sum(map(count_graphemes, texts)),
        "words": sum(map(count_words, texts)),
        "turn_count": len(turns),
    }
