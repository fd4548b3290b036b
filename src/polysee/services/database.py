"""The one file in which answers, claims and costs are kept, shared by all processes of a work folder.

SQLite in WAL mode: what is committed survives the death of every process. One thread a process writes; what several
tasks want written at the same time becomes one transaction.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from polysee.schema.errors import UserError
from polysee.store.atomic import make_folder

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
Outcome = tuple[Any, Exception | None]
"""What a piece of work gave, or the error that it ended with."""

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


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Work that is done in one transaction, in order. ``deliver`` is told the outcomes on the writing thread."""

    works: Sequence[Work[Any]]
    deliver: Callable[[list[Outcome]], None]


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
        self._queue: queue.SimpleQueue[_Parcel | None] = queue.SimpleQueue()
        self._door, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._serve, name="services-database", daemon=True)
        self._thread.start()

    def submit(self, work: Work[Result]) -> Future[Result]:
        """Have ``work`` done inside a transaction of the writing thread; the future is done once it is committed.

        An exception of ``work`` goes to the future and undoes nothing of what it wrote before. Work is done in the
        order in which it is submitted, also if the future is cancelled. Raises `RuntimeError` after `close`.
        """
        future: Future[Result] = Future()

        def deliver(outcomes: list[Outcome]) -> None:
            if future.set_running_or_notify_cancel():
                _tell(future, outcomes[0])

        self.send([work], deliver)
        return future

    def send(self, works: Sequence[Work[Any]], deliver: Callable[[list[Outcome]], None]) -> None:
        """As `submit`, for several pieces of work that become one transaction; ``deliver`` must not raise."""
        with self._door:
            if self._closed:
                raise RuntimeError("the database of the services is closed")
            self._queue.put(_Parcel(works, deliver))

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
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        self._reading.close()
        self._writing.close()
        (self.folder / "owners" / self.owner).unlink(missing_ok=True)
        os.close(self._lock_handle)

    def _sweep(self) -> None:
        for path in (self.folder / "owners").iterdir():
            # A young file may not be locked yet; one that is gone was its owner's to remove.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _YOUNG_SECONDS and not self.is_alive(path.name):
                    path.unlink()

    def _serve(self) -> None:
        while (parcel := self._queue.get()) is not None:
            group, ends = [parcel], False
            while len(group) < _LARGEST_GROUP and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    ends = True
                    break
                group.append(following)
            self._write(group)
            if ends:
                return

    def _write(self, group: list[_Parcel]) -> None:
        try:
            with self._errors():
                self._writing.execute("BEGIN IMMEDIATE")
                outcomes = [[self._outcome(work) for work in parcel.works] for parcel in group]
                self._writing.execute("COMMIT")
        except Exception as error:
            # Nothing of the group is written then, so all of it has failed.
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            outcomes = [[(None, error)] * len(parcel.works) for parcel in group]
        for parcel, found in zip(group, outcomes, strict=True):
            parcel.deliver(found)

    def _outcome(self, work: Work[Any]) -> Outcome:
        try:
            return work(self._writing), None
        except sqlite3.Error:
            raise
        except Exception as error:
            return None, error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


class _Written(asyncio.Future[Result]):
    """Of work that is going to be done: a task that is cancelled while it waits hears of it once the work is done."""

    def cancel(self, msg: object = None) -> bool:
        """Not possible."""
        return False


class Outbox:
    """What the tasks of one event loop want written: whatever comes up in one turn of it becomes one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self.latest: asyncio.Future[Any] | None = None
        """The last thing submitted: once it is done, everything before it is written as well."""

    def write(self, work: Work[Result]) -> asyncio.Future[Result]:
        """As `Database.submit`; the future cannot be cancelled."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = _Written(loop=loop)
        self._waiting.append((work, future))
        self.latest = future
        if len(self._waiting) == 1:
            # After the next turn: whoever is woken in this one has something to write as well.
            loop.call_soon(loop.call_soon, self._send, loop)
        return future

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        works, futures = zip(*self._waiting, strict=True)
        self._waiting.clear()

        def deliver(outcomes: list[Outcome]) -> None:
            # A loop that is closed has nobody left to tell.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(arrive, outcomes)

        def arrive(outcomes: list[Outcome]) -> None:
            for future, outcome in zip(futures, outcomes, strict=True):
                _tell(future, outcome)

        try:
            self._database.send(works, deliver)
        except RuntimeError as error:
            arrive([(None, error)] * len(works))


def _tell(future: Future[Any] | asyncio.Future[Any], outcome: Outcome) -> None:
    result, error = outcome
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


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
