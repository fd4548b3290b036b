"""Files that are either the old one or the new one, whatever happens in between."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from polysee.schema.errors import UserError

TEMPORARY_MARK = ".tmp-"
"""Part of the name of every temporary file; a run folder is swept of leftovers when it is locked."""

CRASH_VARIABLE = "POLYSEE_CRASH_AT"
"""For tests only: ``main:N`` or ``worker:N`` ends the program, without any clean-up, at the N-th write point."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


class _WritePoints:
    """Counts the write points of this process, so that a test can end it at any of them."""

    def __init__(self) -> None:
        self.role = "main"
        self.passed = 0

    def arrive(self) -> None:
        self.passed += 1
        if os.environ.get(CRASH_VARIABLE) == f"{self.role}:{self.passed}":
            if self.role == "worker":
                # A machine that goes down takes every process with it, not only the one that was writing.
                os.kill(os.getppid(), signal.SIGKILL)
            os._exit(137)


write_points = _WritePoints()


def crash_point() -> None:
    """Marks an instant at which a crash must be harmless. Does nothing unless a test sets `CRASH_VARIABLE`."""
    write_points.arrive()


@contextmanager
def user_errors(path: Path | str) -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a `UserError`; other errors pass.

    Lance reports operating-system errors as text inside `OSError` or `ValueError`, so their words are read as well.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        found = _explain(error, str(path))
        if found is None:
            raise
        raise found from error


@contextmanager
def full_disk_errors(path: Path | str) -> Iterator[None]:
    """Turn a full disk, whatever library met it and however it says so, into a `UserError`; other errors pass."""
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        raise _full(str(path)) from error


def _is_full(error: Exception) -> bool:
    words = str(error).lower()
    number = error.errno if isinstance(error, OSError) else None
    return number in _FULL or "no space left on device" in words or "disk quota exceeded" in words


def _full(path: str) -> UserError:
    return UserError(
        "the disk is full", "free some space and run the same command again: what is finished is kept", place=path
    )


def _explain(error: Exception, path: str) -> UserError | None:
    if _is_full(error):
        return _full(path)
    number = error.errno if isinstance(error, OSError) else None
    words = str(error).lower()
    refused = ("permission denied", "read-only file system", "not a directory")
    if number in _REFUSED or any(word in words for word in refused):
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split(",")[0]
        return UserError(
            f"cannot write here ({reason.lower()})", "choose another folder, or change its permissions", place=path
        )
    return None


def make_folder(path: Path) -> Path:
    """Create ``path`` and its parents. Raises `UserError` if that is not allowed or the disk is full."""
    with user_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def sync_folder(path: Path) -> None:
    """Make renames and new names in the folder ``path`` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable."""
    sync_folder(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; when the block ends well, what was written there becomes ``path``.

    Raises `UserError` for a full disk or an unwritable folder. Nothing of a failed block stays.
    """
    temporary = path.with_name(f".{path.name}{TEMPORARY_MARK}{os.getpid()}")
    crash_point()
    with user_errors(path):
        try:
            yield temporary
            sync_file(temporary)
            crash_point()
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    crash_point()


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` at once or not at all. Raises `UserError` for a full disk or an unwritable folder."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, at once or not at all. Raises `UserError` as `write_bytes` does."""
    write_bytes(path, text.encode())


def to_json(value: JsonValue) -> str:
    """JSON that is equal for equal values: sorted keys, letters of all scripts as they are, two spaces, one line end.

    Raises `ValueError` for NaN and infinities, which JSON has no words for.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_json(path: Path, value: JsonValue) -> None:
    """Write `to_json` of ``value``, at once or not at all. Raises `UserError` as `write_bytes` does."""
    write_text(path, to_json(value))


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process left in ``folder`` (not in folders below it)."""
    if folder.is_dir():
        for path in folder.iterdir():
            if TEMPORARY_MARK in path.name and path.name.startswith(".") and path.is_file():
                path.unlink(missing_ok=True)
