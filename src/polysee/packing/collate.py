"""Materialises packs: token rows whose positions restart at every sample, and the tiles that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polysee.schema.sample import MediaRef, Sample

Tiles = NDArray[np.uint8] | NDArray[np.float16]
"""Pixels, uint8 (n, tile, tile, 3), or a frozen encoder's features of them, float16 (n, patches, width)."""

ReadTiles = Callable[[MediaRef], Tiles]
"""A medium's tiles: as many as were planned for it."""


@dataclass(frozen=True, slots=True)
class PackedSample:
    """``answers``: (start, stop) of each response within ``input_ids``, its end token included."""

    sample: Sample
    input_ids: Sequence[int]
    answers: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PackBatch:
    """G packs as G rows of L tokens.

    ``input_ids``, ``position_ids``: int64 (G, L); positions restart at 0 with every sample, so that native classes keep
    samples apart (no attention mask is passed). ``rows``, ``columns``: int64 (K,) of the hidden states that predict the
    K answer tokens ``targets``. ``lengths``: int64 (K,) length of the response each belongs to. ``owners``: int64 (K,)
    index into ``samples``. ``tiles``: the T tiles in the order of the image tokens.
    """

    input_ids: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    targets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    owners: NDArray[np.int64]
    tiles: Tiles
    samples: tuple[Sample, ...]
    tokens: int


def collate(packs: Sequence[Sequence[PackedSample]], read_tiles: ReadTiles, *, tile: int, pad_id: int) -> PackBatch:
    """Lay the packs out as rows, padded on the right to the longest, a multiple of eight."""
    width = max(sum(len(item.input_ids) for item in pack) for pack in packs)
    width += -width % 8
    ids = np.full((len(packs), width), pad_id, np.int64)
    positions = np.zeros((len(packs), width), np.int64)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    lengths: list[int] = []
    owners: list[int] = []
    pictures: list[Tiles] = []
    samples: list[Sample] = []
    tokens = 0
    for row, pack in enumerate(packs):
        offset = 0
        for item in pack:
            size = len(item.input_ids)
            ids[row, offset : offset + size] = item.input_ids
            positions[row, offset : offset + size] = np.arange(size)
            for start, stop in item.answers:
                rows += [row] * (stop - start)
                columns += range(offset + start - 1, offset + stop - 1)
                targets += item.input_ids[start:stop]
                lengths += [stop - start] * (stop - start)
                owners += [len(samples)] * (stop - start)
            pictures += [read_tiles(medium) for medium in item.sample.media]
            samples.append(item.sample)
            offset += size
        positions[row, offset:] = np.arange(width - offset)
        tokens += offset
    drawn: Any = np.concatenate(pictures) if pictures else np.zeros((0, tile, tile, 3), np.uint8)
    return PackBatch(
        input_ids=ids,
        position_ids=positions,
        rows=np.asarray(rows, np.int64),
        columns=np.asarray(columns, np.int64),
        targets=np.asarray(targets, np.int64),
        lengths=np.asarray(lengths, np.int64),
        owners=np.asarray(owners, np.int64),
        tiles=drawn,
        samples=tuple(samples),
        tokens=tokens,
    )
