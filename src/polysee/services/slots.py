"""How many requests of a service are under way at once, over all processes of a work folder.

A slot is a locked file, so the operating system gives back what a killed process held. Within a process a slot goes
from hand to hand without being unlocked, unless another process waits for one.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.store.atomic import make_folder

Slot = int
"""The handle of a locked file."""

_POLL_SECONDS = 0.005
_ASK_SECONDS = 0.01
"""How often it is asked, at most, whether another process waits: it has a slot of ours then."""
_BELL = "waiting"
"""Locked, together with others, by each process that waits for a slot that another one holds."""


class Slots:
    """``n`` slots kept in ``folder``. Belongs to one event loop. Raises `UserError` for more than may be open."""

    def __init__(self, folder: Path, n: int) -> None:
        make_folder(folder)
        self._line: deque[asyncio.Future[Slot]] = deque()
        self._looking: asyncio.TimerHandle | None = None
        self._closed = False
        self._asked = 0.0
        self._all: list[int] = []
        try:
            for name in (_BELL, *map(str, range(n))):
                self._all.append(os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            self.close()
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            fix = f"allow more (`ulimit -n {4 * n + 256}`), or lower `max_concurrency`"
            raise UserError(f"{n} requests at once need more open files than this process may have", fix) from error
        self._bell, *self._free = self._all

    async def take(self) -> Slot:
        """Wait until a slot is free, and hold it: until `give`, or until this process dies."""
        if not self._line:
            slot = self._lock_one()
            if slot is not None:
                return slot
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        self._look_later()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(turn.result())
            raise

    def give(self, slot: Slot, written: asyncio.Future[object] | None = None) -> None:
        """Pass a slot on. The next in this process has it at once, other processes once ``written`` is done."""
        if self._closed or (not self._others_wait() and self._pass_on(slot)):
            return
        if written is None or written.done():
            self._unlock(slot)
        else:
            written.add_done_callback(lambda _: self.give(slot))

    def close(self) -> None:
        """Give all back. To be called on the event loop; calling it again does nothing."""
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        while self._all:
            os.close(self._all.pop())

    def _pass_on(self, slot: Slot) -> bool:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(slot)
                return True
        return False

    def _unlock(self, slot: Slot) -> None:
        fcntl.flock(slot, fcntl.LOCK_UN)
        self._free.append(slot)
        self._look_later()

    def _lock_one(self) -> Slot | None:
        for index in range(len(self._free) - 1, -1, -1):
            if _locked(self._free[index]):
                return self._free.pop(index)
        return None

    def _look_later(self) -> None:
        # Another process tells nobody when it frees a slot.
        if self._looking is None and self._line and self._free:
            self._looking = asyncio.get_running_loop().call_later(_POLL_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = None
        while self._line and (slot := self._lock_one()) is not None:
            if not self._pass_on(slot):
                self._unlock(slot)
        self._ring(bool(self._line and self._free))
        self._look_later()

    def _ring(self, waiting: bool) -> None:
        # Another process that asks whether anyone waits holds it for an instant: then the next look rings again.
        with suppress(BlockingIOError):
            fcntl.flock(self._bell, fcntl.LOCK_SH | fcntl.LOCK_NB if waiting else fcntl.LOCK_UN)

    def _others_wait(self) -> bool:
        now = time.monotonic()
        if now < self._asked + _ASK_SECONDS:
            return False
        self._asked = now
        alone = _locked(self._bell)
        # Asking changed or cost us the lock of our own.
        self._ring(self._looking is not None)
        return not alone


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
