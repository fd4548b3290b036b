"""Random access to stored media by the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from polysee.store import tables

_DIGEST_BYTES = 32


class MediaTable:
    """One version of ``media.lance``, read by hash.

    The first look-up reads the column of hashes into a sorted index of 48 bytes a medium. Open it in the process
    that reads from it: Lance does not survive a fork.
    """

    def __init__(self, path: Path, version: int | None) -> None:
        self._path = path
        self._version = version
        self._dataset: Any = None
        self._prefix: npt.NDArray[np.uint64] = np.empty(0, np.uint64)
        self._digest: npt.NDArray[np.uint8] = np.empty((0, _DIGEST_BYTES), np.uint8)
        self._row: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def __reduce__(self) -> tuple[object, ...]:
        return (MediaTable, (self._path, self._version))

    def __len__(self) -> int:
        self._open()
        return len(self._row)

    def __contains__(self, sha256: str) -> bool:
        self._open()
        return self._find(sha256) is not None

    def read(self, sha256: str) -> bytes:
        """The stored bytes. Raises `KeyError` if there are none."""
        return self.read_many([sha256])[sha256]

    def read_many(self, sha256: Sequence[str]) -> dict[str, bytes]:
        """Stored bytes by hash, read at once; equal hashes are read once. Raises `KeyError` naming a missing one."""
        self._open()
        rows: dict[str, int] = {}
        for one in sha256:
            found = self._find(one)
            if found is None:
                raise KeyError(one)
            rows[one] = found
        if not rows:
            return {}
        table = self._dataset.take(sorted(rows.values()), columns=["sha256", "data"])
        return dict(zip(table.column("sha256").to_pylist(), table.column("data").to_pylist(), strict=True))

    def _open(self) -> None:
        if self._dataset is not None:
            return
        dataset = tables.open_at(self._path, self._version)
        text = bytearray()
        for batch in dataset.to_batches(columns=["sha256"]):
            text += "".join(batch.column(0).to_pylist()).encode()
        digest = np.frombuffer(bytes.fromhex(text.decode()), np.uint8).reshape(-1, _DIGEST_BYTES)
        prefix = digest[:, :8].copy().view(">u8").ravel().astype(np.uint64)
        order = np.argsort(prefix, kind="stable")
        self._prefix, self._digest, self._row = prefix[order], digest[order], order.astype(np.int64)
        self._dataset = dataset

    def _find(self, sha256: str) -> int | None:
        wanted = bytes.fromhex(sha256)
        prefix = np.uint64(int.from_bytes(wanted[:8], "big"))
        at = int(np.searchsorted(self._prefix, prefix))
        while at < len(self._prefix) and self._prefix[at] == prefix:
            if self._digest[at].tobytes() == wanted:
                return int(self._row[at])
            at += 1
        return None
