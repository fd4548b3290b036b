"""Packs as rows of tokens: whose token is whose, and what predicts it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from polysee.packing.collate import PackBatch, PackedSample, collate
from polysee.schema.sample import MediaRef, Origin, Turn, make_sample

TILE, PAD = 4, 0


def ref(number: int, width: int = 4) -> MediaRef:
    return MediaRef(f"{number:064}", "image", width, 4)


def read_tiles(medium: MediaRef) -> NDArray[np.uint8]:
    """As many tiles as the picture is times wider than high, all of its number."""
    return np.full((medium.width // 4, TILE, TILE, 3), int(medium.sha256) % 256, np.uint8)


def item(number: int, ids: list[int], answers: list[tuple[int, int]], *media: MediaRef) -> PackedSample:
    sample = make_sample(
        task="naming",
        language="ar",
        turns=tuple(Turn("ما هذا؟", f"قطة {number}") for _ in answers or [()]),
        origin=Origin("x", str(number), "CC0-1.0"),
        media=media,
    )
    return PackedSample(sample, ids, answers)


A = item(1, [11, 12, 13, 14, 15], [(2, 3), (4, 5)], ref(7, 8))
B = item(2, [21, 22, 23], [(1, 3)])
C = item(3, [31, 32, 33, 34], [(3, 4)], ref(8), ref(9, 12))


def test_two_packs_by_hand() -> None:
    batch = collate([[A, B], [C]], read_tiles, tile=TILE, pad_id=PAD)
    assert batch.input_ids.tolist() == [[11, 12, 13, 14, 15, 21, 22, 23], [31, 32, 33, 34, 0, 0, 0, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2], [0, 1, 2, 3, 0, 1, 2, 3]]
    assert batch.rows.tolist() == [0, 0, 0, 0, 1]
    assert batch.columns.tolist() == [1, 3, 5, 6, 2]  # the token before the one that is to be said
    assert batch.targets.tolist() == [13, 15, 22, 23, 34]
    assert batch.lengths.tolist() == [1, 1, 2, 2, 1]
    assert batch.owners.tolist() == [0, 0, 1, 1, 2]
    assert batch.samples == (A.sample, B.sample, C.sample)
    assert batch.tokens == 12
    assert batch.tiles.shape == (6, TILE, TILE, 3)
    assert batch.tiles[:, 0, 0, 0].tolist() == [7, 7, 8, 9, 9, 9]


def test_types() -> None:
    batch = collate([[A, B]], read_tiles, tile=TILE, pad_id=PAD)
    for name in ("input_ids", "position_ids", "rows", "columns", "targets", "lengths", "owners"):
        assert getattr(batch, name).dtype == np.int64
    assert batch.tiles.dtype == np.uint8


def test_text_alone_has_no_tiles() -> None:
    batch = collate([[B, B]], read_tiles, tile=TILE, pad_id=PAD)
    assert batch.tiles.shape == (0, TILE, TILE, 3)


@pytest.mark.parametrize(("size", "width"), [(1, 8), (8, 8), (9, 16)])
def test_rows_are_padded_to_eights(size: int, width: int) -> None:
    batch = collate([[item(0, [5] * size, [])]], read_tiles, tile=TILE, pad_id=99)
    assert batch.input_ids.shape == (1, width)
    assert batch.input_ids[0].tolist() == [5] * size + [99] * (width - size)
    assert batch.tokens == size


@st.composite
def samples(draw: st.DrawFn) -> PackedSample:
    number = draw(st.integers(0, 10**6))
    cuts = sorted(draw(st.sets(st.integers(1, 30), min_size=2, max_size=6)))
    answers = list(zip(cuts[::2], cuts[1::2], strict=False))
    ids = draw(st.lists(st.integers(1, 500), min_size=cuts[-1], max_size=cuts[-1] + 3))
    return item(number, ids, answers, *(ref(n, 4 * n) for n in draw(st.lists(st.integers(1, 3), max_size=2))))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.lists(samples(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_every_sample_is_as_it_was_alone(packs: list[list[PackedSample]]) -> None:
    batch: PackBatch = collate(packs, read_tiles, tile=TILE, pad_id=PAD)
    assert batch.input_ids.shape == batch.position_ids.shape
    assert batch.input_ids.shape[1] % 8 == 0
    members = [one for pack in packs for one in pack]
    assert batch.tokens == sum(len(one.input_ids) for one in members)
    # A new sample begins wherever positions do, so that rows can be told apart by positions alone.
    for row, pack in enumerate(packs):
        starts = np.flatnonzero(batch.position_ids[row] == 0).tolist()
        ends = np.cumsum([len(one.input_ids) for one in pack]).tolist()
        assert starts == [0, *(e for e in ends if e < batch.input_ids.shape[1])]
        steps = np.diff(batch.position_ids[row])
        assert ((steps == 1) | (batch.position_ids[row][1:] == 0)).all()
        for start, end, one in zip([0, *ends], ends, pack, strict=False):
            assert batch.input_ids[row, start:end].tolist() == list(one.input_ids)
        assert (batch.input_ids[row, ends[-1] :] == PAD).all()
    assert (batch.input_ids[batch.rows, batch.columns + 1] == batch.targets).all()
    for number, one in enumerate(members):
        mine = batch.owners == number
        alone = collate([[one]], read_tiles, tile=TILE, pad_id=PAD)
        for name in ("targets", "lengths"):
            assert getattr(batch, name)[mine].tolist() == getattr(alone, name).tolist()
        assert batch.position_ids[batch.rows[mine], batch.columns[mine]].tolist() == alone.columns.tolist()
    pictures = [read_tiles(m) for one in members for m in one.sample.media]
    assert len(batch.tiles) == sum(map(len, pictures))
    if pictures:
        np.testing.assert_array_equal(batch.tiles, np.concatenate(pictures))
