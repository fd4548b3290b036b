from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polysee.inference.batching import MAX_ROWS, plan_batches, run_batches

LENGTHS = st.lists(st.integers(1, 5000), max_size=60)


@given(LENGTHS, st.integers(1, 40) | st.none(), st.integers(1, 9000))
def test_every_row_once_and_within_the_budget(lengths: list[int], batch: int | None, budget: int) -> None:
    batches = plan_batches(lengths, batch, budget)
    assert sorted(index for chosen in batches for index in chosen) == list(range(len(lengths)))
    for chosen in batches:
        longest = max(lengths[index] for index in chosen)
        if batch is not None:
            assert len(chosen) <= batch
        else:
            assert len(chosen) == 1 or longest * len(chosen) <= budget
            assert len(chosen) <= MAX_ROWS


def test_rows_of_similar_length_share_a_batch() -> None:
    assert plan_batches([9, 1, 8, 2], 2) == [[1, 3], [2, 0]]
    assert plan_batches([9, 1, 8, 2], None, 18) == [[1, 3], [2, 0]]


def test_a_batch_without_memory_is_halved() -> None:
    sizes = []

    def compute(chosen: object) -> list[int]:
        rows = list(chosen)  # type: ignore[call-overload]
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.cuda.OutOfMemoryError
        return [10 * row for row in rows]

    assert run_batches([[4, 2, 0, 1, 3]], compute) == {4: 40, 2: 20, 0: 0, 1: 10, 3: 30}
    assert sizes == [5, 2, 3, 1, 2]

    def never(chosen: object) -> list[int]:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(torch.cuda.OutOfMemoryError):
        run_batches([[0]], never)
