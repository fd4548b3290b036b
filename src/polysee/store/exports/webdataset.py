"""WebDataset: tar shards of ``<id>.json`` and ``<id>.<n>.<ending>``, with equal bytes for equal samples."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from polysee.schema.sample import Sample
from polysee.store.atomic import crash_point
from polysee.store.exports.base import Item, Plan, Written
from polysee.store.exports.filenames import suffix


class WebDatasetFormat:
    """All fields of a sample in its JSON; each entry of ``media`` names its member in ``file``. No pickle anywhere."""

    source: ClassVar[str] = "webdataset"
    source_params: ClassVar[Mapping[str, str]] = {}
    keeps_scores: ClassVar[bool] = False
    patterns: ClassVar[str] = "data/{split}-*.tar"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._split = ""
        self._tar: tarfile.TarFile | None = None
        self._shard = self._rows = self._bytes = 0
        self._written: list[Written] = []
        (plan.folder / "data").mkdir()

    @staticmethod
    def check(sample: Sample) -> None:
        """Every sample fits."""

    def start(self, split: str) -> None:
        self._close()
        self._split, self._shard = split, 0

    def add(self, item: Item) -> None:
        """Write a sample and its media; a new shard is begun where the last one is full."""
        if self._tar is not None and self._bytes >= self._plan.shard_bytes:
            self._close()
        if self._tar is None:
            # USTAR has no extended headers, in which a library could hide its own version or the time.
            self._tar = tarfile.TarFile(self._plan.folder / self._name(), "w", format=tarfile.USTAR_FORMAT)
            self._rows = self._bytes = 0
        sample = item.sample
        members: dict[str, bytes] = {}
        record: dict[str, Any] = asdict(sample)
        for number, data in enumerate(item.media):
            file = f"{number}.{suffix(data)}" if len(item.media) > 1 else suffix(data)
            record["media"][number]["file"] = file
            members[file] = data
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
        for ending, data in {"json": text.encode(), **members}.items():
            self._member(f"{sample.id}.{ending}", data)
            self._bytes += len(data) + tarfile.BLOCKSIZE
        # The library keeps a list of all that it wrote.
        self._tar.members.clear()  # type: ignore[attr-defined]
        self._rows += 1

    def finish(self) -> list[Written]:
        self._close()
        return self._written

    def discard(self) -> None:
        if self._tar is not None:
            with suppress(OSError):
                self._tar.close()

    def _member(self, name: str, data: bytes) -> None:
        assert self._tar is not None
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(data), 0o644, 0
        self._tar.addfile(info, io.BytesIO(data))

    def _name(self) -> str:
        return Path("data", f"{self._plan.splits[self._split]}-{self._shard:06d}.tar").as_posix()

    def _close(self) -> None:
        if self._tar is None:
            return
        self._tar.close()
        crash_point()
        self._written.append(Written(self._name(), self._split, self._rows))
        self._tar = None
        self._shard += 1
