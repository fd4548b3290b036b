"""Materialises the steps of a plan: the samples of each pack from the store, encoded, with their tiles."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polysee.models.prompt import PromptEncoder
from polysee.models.tiles import TilePolicy
from polysee.packing.collate import PackBatch, PackedSample, collate
from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef, Sample
from polysee.store.run import RunStore
from polysee.training.features import FeatureCache, Report


class PlannedData:
    """Row *k* of a plan as a `PackBatch`; knows nothing of what was loaded before.

    ``samples``: all kept training samples by id, encoded when they are first met.
    """

    def __init__(
        self, plan: Path, samples: dict[str, Sample], store: RunStore, encoder: PromptEncoder, policy: TilePolicy
    ) -> None:
        with pa.memory_map(str(plan)) as file:
            table = pa.ipc.open_file(file).read_all()
        self._steps: NDArray[np.int32] = table.column("step").to_numpy()
        self._packs: NDArray[np.int32] = table.column("pack").to_numpy()
        self._ids: list[str] = table.column("sample").to_pylist()
        self._samples = samples
        self._languages = tuple(sorted({sample.language for sample in samples.values()}))
        self._media = store.media_table()
        self._encoder = encoder
        self._policy = policy
        self._features: FeatureCache | None = None

    def use_features(self, cache: FeatureCache, report: Report) -> None:
        """Give the features of a frozen encoder in place of pixels; computes those that are not there yet."""
        planned = dict.fromkeys(self._ids)
        cache.build([m for i in planned for m in self._samples[i].media], self._media.read_many, report)
        self._features = cache

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of the samples, sorted."""
        return self._languages

    def sample_ids(self, step: int) -> list[str]:
        """The samples of one step, pack by pack."""
        first, last = np.searchsorted(self._steps, [step, step + 1])
        return self._ids[first:last]

    def batch(self, step: int, *, rank: int = 0, world: int = 1) -> PackBatch:
        """The packs of one step that a rank computes: every ``world``-th one.

        Raises `UserError`, on every rank alike, if there are fewer packs than ranks.
        """
        first, last = np.searchsorted(self._steps, [step, step + 1])
        packs: dict[int, list[PackedSample]] = {}
        for row in range(first, last):
            packs.setdefault(int(self._packs[row]), []).append(self._packed(self._ids[row]))
        if len(packs) < world:
            raise UserError(
                f"a step has {len(packs)} packs, which is too few for {world} processes",
                f"start at most {len(packs)} processes, or raise the stage's packs_per_step to a multiple of {world}",
            )
        mine = [packs[number] for number in sorted(packs)][rank::world]
        if self._features is not None:
            return collate(mine, self._features.read, tile=self._policy.tile, pad_id=self._encoder.pad_id)
        shas = [m.sha256 for pack in mine for item in pack for m in item.sample.media]
        data = self._media.read_many(shas)

        def read_tiles(medium: MediaRef) -> NDArray[np.uint8]:
            return self._policy.cut(medium, data[medium.sha256])

        return collate(mine, read_tiles, tile=self._policy.tile, pad_id=self._encoder.pad_id)

    def batches(self, first: int, last: int, *, rank: int = 0, world: int = 1) -> Iterator[PackBatch]:
        """Steps ``first`` to ``last`` (exclusive), prepared one ahead."""
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(self.batch, first, rank=rank, world=world)
            for step in range(first, last):
                batch = upcoming.result()
                if step + 1 < last:
                    upcoming = pool.submit(self.batch, step + 1, rank=rank, world=world)
                yield batch

    def _packed(self, identity: str) -> PackedSample:
        sample = self._samples[identity]
        encoded = self._encoder.encode(sample, [self._policy.count(m) for m in sample.media])
        return PackedSample(sample, encoded.input_ids, encoded.answers)
