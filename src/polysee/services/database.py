"""The one file in which answers, claims and costs are kept, shared by all processes of a work folder.

SQLite in WAL mode: what is committed survives the death of every process. One thread a process writes; what several
tasks want written at the same time becomes one transaction.
"""

from __future__ import annotations

import fcntl
import os
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from polysee.schema.errors import UserError
from polysee.store.atomic import make_folder

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

FILE = "services.sqlite"
FORMAT = 1
_BUSY_SECONDS = 60.0
_LARGEST_GROUP = 256
_MMAP_BYTES = 1 << 30
_YOUNG_SECONDS = 60.0

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claims (key BLOB PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS under_way (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, owner TEXT NOT NULL, bound REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS totals (
    service TEXT PRIMARY KEY, attempts INTEGER NOT NULL DEFAULT 0, hits INTEGER NOT NULL DEFAULT 0,
    tokens_in INTEGER NOT NULL DEFAULT 0, tokens_out INTEGER NOT NULL DEFAULT 0,
    cost REAL NOT NULL DEFAULT 0, unsaid REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
    service TEXT NOT NULL, outcome TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (service, outcome)
) WITHOUT ROWID;
"""


class Database:
    """The database of ``folder``, which is made if it is not there.

    ``owner`` names this object to other processes as long as it lives: `is_alive` tells whether another's holder does.
    Raises `UserError` for a folder that cannot be written, a damaged file, or one of another format.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = make_folder(folder)
        self.path = folder / FILE
        self.owner = uuid.uuid4().hex
        self._lock_handle = _hold(make_folder(folder / "owners") / self.owner)
        self._sweep()
        with self._errors():
            self._writing = _connect(self.path)
            _prepare(self._writing, self.path)
            self._reading = _connect(self.path)
        self._read_lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="services-database", daemon=True)
        self._thread.start()

    def submit(self, work: Work[Result]) -> Future[Result]:
        """Have ``work`` done inside a transaction of the writing thread; the future is done once it is committed.

        An exception of ``work`` goes to the future and undoes nothing of what it wrote before.
        """
        future: Future[Result] = Future()
        self._queue.put((work, future))
        return future

    def do(self, work: Work[Result]) -> Result:
        """As `submit`, and wait for it."""
        return self.submit(work).result()

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of what is committed. Raises `UserError` for a damaged file."""
        with self._read_lock, self._errors():
            return self._reading.execute(sql, values).fetchall()

    def is_alive(self, owner: str) -> bool:
        """Whether the process that opened a database as ``owner`` still runs on this machine."""
        if owner == self.owner:
            return True
        try:
            handle = os.open(self.folder / "owners" / owner, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(handle)

    def close(self) -> None:
        """Finish what is submitted and give everything back. Calling it again does nothing."""
        if self._lock_handle < 0:
            return
        self._queue.put(None)
        self._thread.join()
        self._reading.close()
        self._writing.close()
        (self.folder / "owners" / self.owner).unlink(missing_ok=True)
        os.close(self._lock_handle)
        self._lock_handle = -1

    def _sweep(self) -> None:
        for path in (self.folder / "owners").iterdir():
            # A young file may not be locked yet.
            if path.stat().st_mtime < time.time() - _YOUNG_SECONDS and not self.is_alive(path.name):
                path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            group, ends = [first], False
            while len(group) < _LARGEST_GROUP and not self._queue.empty():
                item = self._queue.get()
                if item is None:
                    ends = True
                    break
                group.append(item)
            self._write(group)
            if ends:
                return

    def _write(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            with self._errors():
                self._writing.execute("BEGIN IMMEDIATE")
                for work, future in group:
                    try:
                        done.append((future, work(self._writing)))
                    except sqlite3.Error:
                        raise
                    except Exception as error:
                        failed.append((future, error))
                self._writing.execute("COMMIT")
        except Exception as error:
            # Nothing of the group is written then, so all of it has failed.
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            done, failed = [], [(future, error) for _, future in group]
        for future, result in done:
            future.set_result(result)
        for future, problem in failed:
            future.set_exception(problem)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


def explain(error: sqlite3.Error, path: Path) -> UserError:
    """What SQLite complains of, with what to do about it."""
    words = str(error).lower()
    if "full" in words:
        return UserError("the disk is full", "free some space and run the same command again", place=str(path))
    if "readonly" in words or "unable to open" in words:
        return UserError(f"cannot write here ({words})", "change its permissions, or choose another folder",
                         place=str(path))  # fmt: skip
    if "locked" in words:
        fix = "stop the other processes of this work folder, or put the folder on a local disk"
        return UserError("the cache of the services is locked for over a minute", fix, place=str(path))
    fix = "move the folder away; what it held will be asked for again, and paid for again"
    return UserError(f"the cache of the services is damaged ({words})", fix, place=str(path.parent))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA page_size=8192")
    connection.execute("PRAGMA journal_mode=WAL")
    # A process that is killed loses nothing committed; a machine that loses power may lose the last moments.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES}")
    connection.execute("PRAGMA cache_size=-65536")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found not in (0, FORMAT):
        fix = "move the folder away, or use the version of polysee that made it"
        raise UserError(f"this cache of services has the format {found}, not {FORMAT}", fix, place=str(path.parent))
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version={FORMAT}")


def _hold(path: Path) -> int:
    """Create a file and lock it; the operating system drops the lock when this process ends, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle
