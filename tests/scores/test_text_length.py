"""Lengths as the scripts count them."""

from __future__ import annotations

import pytest

from polysee.schema.arrow import to_table
from polysee.schema.sample import Origin, Turn, make_sample
from polysee.scores import get
from polysee.scores.text_length import TextLength


@pytest.mark.parametrize(
    ("instruction", "turns", "lengths"),
    [
        ("", (Turn("", "cat"),), (3, 1, 1)),
        ("Name it.", (Turn("<image>\nWhat is it?", "A cat."), Turn("Sure?", "Yes.")), (8 + 11 + 6 + 5 + 4, 9, 2)),
        ("", (Turn("这是什么？", "一只猫。"),), (9, 7, 1)),
        ("", (Turn("", "ที่นี่"),), (2, 2, 1)),
        ("", (Turn("", "हिन्दी में"),), (4, 2, 1)),
        ("", (Turn("", "ድመት፧"),), (4, 1, 1)),
        ("", (Turn("", "قطةٌ سوداء"),), (9, 2, 1)),
    ],
)
def test_counts(instruction: str, turns: tuple[Turn, ...], lengths: tuple[int, int, int]) -> None:
    sample = make_sample(task="t", language="en", turns=turns, origin=Origin("s", "1", ""), instruction=instruction)
    (batch,) = to_table([sample]).to_batches()
    score = get("text_length")(TextLength.Params())
    result = score.compute(batch.select(list(score.inputs)))
    assert result.schema == TextLength.outputs
    assert tuple(result.to_pylist()[0].values()) == lengths
