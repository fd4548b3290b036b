"""Sizes from references."""

from __future__ import annotations

from polysee.schema.arrow import to_table
from polysee.schema.sample import MediaRef, Origin, Turn, make_sample
from polysee.scores import get
from polysee.scores.image_size import ImageSize


def test_sizes() -> None:
    media = [(), ((100, 50),), ((100, 50), (30, 90)), ((0, 10),)]
    samples = [
        make_sample(
            task="t",
            language="en",
            turns=(Turn("", str(n)),),
            origin=Origin("s", str(n), ""),
            media=tuple(MediaRef("0" * 64, "image", w, h) for w, h in sides),
        )
        for n, sides in enumerate(media)
    ]
    (batch,) = to_table(samples).to_batches()
    score = get("image_size")(ImageSize.Params())
    result = score.compute(batch.select(list(score.inputs)))
    assert result.schema == ImageSize.outputs
    assert [tuple(row.values()) for row in result.to_pylist()] == [
        (None, None, None), (50, 2.0, 5000), (30, 3.0, 7700), (None, None, None)
    ]  # fmt: skip
