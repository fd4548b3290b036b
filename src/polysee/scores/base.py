"""What a score is: declared input columns in, declared output columns out, by Arrow batch. It never drops a row."""

from __future__ import annotations

from typing import ClassVar, Protocol

import pyarrow as pa

from polysee.schema.arrow import TURN
from polysee.sources.base import Params

TRANSLATED_FROM = pa.field(
    "translated_from", pa.struct([pa.field("language", pa.string()), pa.field("turns", pa.list_(TURN))])
)
"""An input that is no column of a sample: of a translation, the sample that it was translated from, wherever in the run
that was; null for every other sample, and for a translation that the run did not make itself."""


class Score(Protocol):
    """A class in the registry: ``Score(params)``.

    ``inputs`` names the sample columns that ``compute`` needs, `TRANSLATED_FROM` among them where it wants that;
    ``outputs`` is the schema of what it returns, one row for each input row, in order. A null output value means
    *unknown* (the score is not valid here, or it failed).

    A class that calls services has ``service_kinds`` and is made with ``services=``, as a `Transform` that does; its
    ``calls_per_sample`` is None where only the run shows how many samples it concerns.
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    inputs: ClassVar[tuple[str, ...]]
    outputs: ClassVar[pa.Schema]

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch: ...
