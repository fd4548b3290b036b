"""How many requests of a service are under way at once, over all processes of a work folder.

A slot is a locked file, so the operating system gives back what a killed process held.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from polysee.store.atomic import make_folder

_POLL_SECONDS = 0.005


class Slots:
    """``n`` slots kept in ``folder``. Belongs to one event loop."""

    def __init__(self, folder: Path, n: int) -> None:
        make_folder(folder)
        self._free = [os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600) for number in range(n)]
        self._all = tuple(self._free)
        self._ours = asyncio.Semaphore(n)
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot; waits until one is free."""
        async with self._ours:
            handle = await self._take()
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
                self._free.append(handle)

    def close(self) -> None:
        """Give all back."""
        for handle in self._all:
            os.close(handle)
        self._free = []

    async def _take(self) -> int:
        # One task at a time looks: another process tells nobody when it frees a slot.
        async with self._turn:
            while True:
                for index in range(len(self._free) - 1, -1, -1):
                    if _locked(self._free[index]):
                        return self._free.pop(index)
                await asyncio.sleep(_POLL_SECONDS)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
