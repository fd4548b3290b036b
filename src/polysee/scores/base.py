"""What a score is: declared input columns in, declared output columns out, by Arrow batch. It never drops a row."""

from __future__ import annotations

from typing import ClassVar, Protocol

import pyarrow as pa

from polysee.sources.base import Params


class Score(Protocol):
    """A class in the registry: ``Score(params)``.

    ``inputs`` names the sample columns that ``compute`` needs; ``outputs`` is the schema of what it returns, one row
    for each input row, in order. A null output value means *unknown* (the score is not valid here, or it failed).
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[pa.Schema]

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch: ...
