"""Tokens, respondents and votes in one SQLite file. What a respondent was told is saved survives a crash.

One thread writes. It takes all changes that are waiting into one transaction, each within a savepoint of its own, so
that two hundred people who click at once wait for a few syncs of the disk and not for two hundred.
"""

from __future__ import annotations

import hashlib
import json
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.store.atomic import user_errors
from polysee.survey.questionnaire import Asked

FILE = "votes.db"
TIE, NONE = "tie", "none"
"""Choices that are no card: several answers are equally good; none is acceptable."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (hash TEXT PRIMARY KEY, made TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
  survey TEXT NOT NULL, token TEXT NOT NULL REFERENCES tokens(hash), page_language TEXT NOT NULL,
  reads TEXT NOT NULL, country TEXT NOT NULL, dialect TEXT NOT NULL, asked TEXT NOT NULL, started TEXT NOT NULL,
  finished TEXT, comfort TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (survey, token)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS votes (
  survey TEXT NOT NULL, token TEXT NOT NULL, place INTEGER NOT NULL, aspect TEXT NOT NULL, choice TEXT NOT NULL,
  at TEXT NOT NULL, PRIMARY KEY (survey, token, place, aspect),
  FOREIGN KEY (survey, token) REFERENCES people(survey, token)) WITHOUT ROWID;
"""
_MOST_AT_ONCE = 256


class Spent(Exception):
    """The token has been used up for this set of questions, or not begun yet: there is nothing to change."""


@dataclass(frozen=True, slots=True)
class Person:
    """A respondent. ``asked``: their questions in their order; ``finished``: whether the token is spent."""

    page_language: str
    reads: tuple[str, ...]
    country: str
    dialect: str
    asked: tuple[Asked, ...]
    finished: bool
    comfort: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """``place``: of the question in the respondent's order, from 0. ``choice``: a card's number, `TIE` or `NONE`."""

    place: int
    aspect: str
    choice: str


def hash_token(token: str) -> str:
    """What is stored of a token: neither the file nor an export can be used to vote."""
    return hashlib.sha256(token.encode()).hexdigest()


def connect(folder: Path) -> sqlite3.Connection:
    """The survey's database, made if there is none. Raises `UserError` if it cannot be opened."""
    path = folder / FILE
    with user_errors(path):
        if not path.exists():
            path.touch(mode=0o600)
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        # The write-ahead log is synced at each commit: a vote is on the disk before anybody is told that it is.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.executescript(_SCHEMA)
    except sqlite3.Error as error:
        raise UserError(
            f"cannot open the votes ({error})", "check the folder's permissions", place=str(path)
        ) from error
    return connection


def add_tokens(folder: Path, count: int) -> list[str]:
    """Make ``count`` new tokens of 128 random bits each. They are returned once and stored as hashes only."""
    tokens = [secrets.token_urlsafe(16) for _ in range(count)]
    connection = connect(folder)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO tokens VALUES (?, ?)", [(hash_token(one), _now()) for one in tokens])
        connection.execute("COMMIT")
    finally:
        connection.close()
    return tokens


class Reader:
    """Looks at one set of questions. For the thread that made it."""

    def __init__(self, folder: Path, survey: str) -> None:
        self._connection = connect(folder)
        self._connection.execute("PRAGMA query_only=ON")
        self._survey = survey

    def close(self) -> None:
        self._connection.close()

    def knows(self, token: str) -> bool:
        """``token``: its hash."""
        return self._connection.execute("SELECT 1 FROM tokens WHERE hash = ?", (token,)).fetchone() is not None

    def tokens(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM tokens").fetchone()[0])

    def elsewhere(self) -> int:
        """Votes for other sets of questions, from before the survey was changed."""
        return int(
            self._connection.execute("SELECT count(*) FROM votes WHERE survey <> ?", (self._survey,)).fetchone()[0]
        )

    def person(self, token: str) -> Person | None:
        row = self._connection.execute(
            f"SELECT {_PERSON} FROM people WHERE survey = ? AND token = ?", (self._survey, token)
        ).fetchone()
        return None if row is None else _person(row)

    def votes(self, token: str) -> list[Vote]:
        rows = self._connection.execute(
            "SELECT place, aspect, choice FROM votes WHERE survey = ? AND token = ? ORDER BY place, aspect",
            (self._survey, token),
        )
        return [Vote(*row) for row in rows]

    def everyone(self) -> list[tuple[Person, tuple[Vote, ...]]]:
        """All respondents with their votes, by the hash of their token: an order that says nothing of when."""
        people = self._connection.execute(
            f"SELECT token, {_PERSON} FROM people WHERE survey = ? ORDER BY token", (self._survey,)
        ).fetchall()
        votes: dict[str, list[Vote]] = {}
        for token, *rest in self._connection.execute(
            "SELECT token, place, aspect, choice FROM votes WHERE survey = ? ORDER BY token, place, aspect",
            (self._survey,),
        ):
            votes.setdefault(token, []).append(Vote(*rest))
        return [(_person(row[1:]), tuple(votes.get(row[0], ()))) for row in people]


Change = Callable[[sqlite3.Connection], None]


class Writer:
    """The one that writes. A method's future is done when the change is on the disk, or fails with what kept it off."""

    def __init__(self, folder: Path, survey: str) -> None:
        self._survey = survey
        self._connection = connect(folder)
        self._waiting: queue.SimpleQueue[tuple[Change, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="votes", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Writes what waits, then stops."""
        self._waiting.put(None)
        self._thread.join()
        self._connection.close()

    def begin(self, token: str, person: Person) -> Future[None]:
        """Note that a respondent has agreed to take part. Doing so twice changes nothing."""
        asked = json.dumps([[one.question, one.cards] for one in person.asked], ensure_ascii=False)
        values = (self._survey, token, person.page_language, " ".join(person.reads), person.country, person.dialect)

        def change(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO people (survey, token, page_language, reads, country, dialect, asked, started) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, asked, _now()),
            )

        return self._put(change)

    def vote(self, token: str, place: int, choices: Mapping[str, str]) -> Future[None]:
        """Keep what was picked at one place, by aspect, instead of what was there before. `Spent` if finished."""

        def change(connection: sqlite3.Connection) -> None:
            self._must_be_open(connection, token)
            connection.executemany(
                "INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET choice = excluded.choice, "
                "at = excluded.at",
                [(self._survey, token, place, aspect, choice, _now()) for aspect, choice in choices.items()],
            )

        return self._put(change)

    def finish(self, token: str, comfort: str, comment: str) -> Future[None]:
        """Spend the token. `Spent` if it is already."""

        def change(connection: sqlite3.Connection) -> None:
            self._must_be_open(connection, token)
            connection.execute(
                "UPDATE people SET finished = ?, comfort = ?, comment = ? WHERE survey = ? AND token = ?",
                (_now(), comfort, comment, self._survey, token),
            )

        return self._put(change)

    def _must_be_open(self, connection: sqlite3.Connection, token: str) -> None:
        row = connection.execute(
            "SELECT finished FROM people WHERE survey = ? AND token = ?", (self._survey, token)
        ).fetchone()
        if row is None or row[0] is not None:
            raise Spent

    def _put(self, change: Change) -> Future[None]:
        future: Future[None] = Future()
        self._waiting.put((change, future))
        return future

    def _run(self) -> None:
        stopping = False
        while not stopping:
            batch = [self._waiting.get()]
            while len(batch) < _MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            work = [item for item in batch if item is not None]
            stopping = len(work) < len(batch)
            # Whoever went away before their turn has been promised nothing.
            work = [item for item in work if item[1].set_running_or_notify_cancel()]
            if work:
                self._write(work)

    def _write(self, work: Sequence[tuple[Change, Future[None]]]) -> None:
        failed: dict[int, Exception] = {}
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for number, (change, _) in enumerate(work):
                self._connection.execute("SAVEPOINT one")
                try:
                    change(self._connection)
                except (sqlite3.Error, Spent) as error:
                    if isinstance(error, sqlite3.Error) and not self._connection.in_transaction:
                        raise  # SQLite has given up the whole transaction, as it does where the disk is full
                    failed[number] = error
                    self._connection.execute("ROLLBACK TO one")
                self._connection.execute("RELEASE one")
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # A full disk, most likely: none of these changes is there, and each of their senders is told so.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            failed = dict.fromkeys(range(len(work)), error)
        for number, (_, future) in enumerate(work):
            if number in failed:
                future.set_exception(failed[number])
            else:
                future.set_result(None)


_PERSON = "page_language, reads, country, dialect, asked, finished, comfort, comment"


def _person(row: Sequence[str | None]) -> Person:
    language, reads, country, dialect, asked, finished, comfort, comment = row
    questions = [Asked(name, tuple(tuple(card) for card in cards)) for name, cards in json.loads(asked or "[]")]
    return Person(
        page_language=language or "",
        reads=tuple((reads or "").split()),
        country=country or "",
        dialect=dialect or "",
        asked=tuple(questions),
        finished=finished is not None,
        comfort=comfort or "",
        comment=comment or "",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
