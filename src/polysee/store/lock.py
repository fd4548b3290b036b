"""One writer a run: an advisory lock that the operating system drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.store.atomic import user_errors


class RunLock:
    """Holds ``path`` exclusively until `release`. Raises `UserError` naming the process that has it."""

    def __init__(self, path: Path) -> None:
        with user_errors(path.parent):
            # Not inherited by child processes (PEP 446), so a worker cannot keep the run locked.
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._handle, 64).decode(errors="replace").strip() or "unknown"
            os.close(self._handle)
            raise UserError(
                f"another polysee process (pid {holder}) is working on this run",
                f"wait until it ends, or stop it with `kill {holder}`",
                place=str(path.parent),
            ) from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back. Calling it again does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
