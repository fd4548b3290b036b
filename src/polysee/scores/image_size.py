"""How large and how stretched a sample's pictures are, from their references; no pixel is read."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa

from polysee.sources.base import Params


class ImageSizeParams(Params):
    """The score has no parameters."""


class ImageSize:
    """``min_side`` (pixels), ``max_aspect`` (longer by shorter side) and ``pixels`` (of all media, a frame each).

    All are null for a sample without media.
    """

    Params: ClassVar[type[ImageSizeParams]] = ImageSizeParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = ("media",)
    outputs: ClassVar[pa.Schema] = pa.schema(
        [pa.field("min_side", pa.int32()), pa.field("max_aspect", pa.float64()), pa.field("pixels", pa.int64())]
    )

    def __init__(self, params: ImageSizeParams) -> None:
        self._params = params

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row of sizes for each sample."""
        return pa.RecordBatch.from_pylist([_sizes(m) for m in batch.column("media").to_pylist()], schema=self.outputs)


def _sizes(media: list[dict[str, Any]]) -> dict[str, float | int | None]:
    sides = [(m["width"], m["height"]) for m in media]
    if not sides or min(map(min, sides)) < 1:
        return {"min_side": None, "max_aspect": None, "pixels": None}
    return {
        "min_side": min(map(min, sides)),
        "max_aspect": max(max(s) / min(s) for s in sides),
        "pixels": sum(w * h for w, h in sides),
    }
