"""Answers that were paid for or computed, kept by the content of the question."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from polysee.services.database import Database

Key = bytes
"""SHA-256 over what a service is and what it was asked."""

# Made once: `json.dumps` makes one for every call that wants other than its defaults.
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_CHUNK = 500
_LOOKUP = "SELECT key, value FROM answers WHERE key IN ({})"
_FULL_LOOKUP = _LOOKUP.format(",".join("?" * _CHUNK))


class Keys:
    """Makes the keys of one service. ``identity``: what its answers depend on besides the question."""

    def __init__(self, identity: JsonValue, version: int = 1) -> None:
        text = json.dumps([version, identity], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        self._start = hashlib.sha256(text.encode() + b"\0")

    def of(self, question: JsonValue) -> Key:
        """32 bytes. The order of keys within ``question`` is taken as it is: always build it the same way."""
        key = self._start.copy()
        # Lone surrogates cannot be sent, but must not break the batch that they are found in.
        key.update(_json(question).encode("utf-8", "surrogatepass"))
        return key.digest()


class AnswerCache:
    """Look-ups and additions. An answer that is kept is never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """The answers that there are, over 100,000 keys a second. Order and repetition of ``keys`` do not matter."""
        # Sorted, so that neighbours in the index are read together.
        wanted = sorted(set(keys))
        found: dict[Key, bytes] = {}
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            sql = _FULL_LOOKUP if len(part) == _CHUNK else _LOOKUP.format(",".join("?" * len(part)))
            found.update(self._database.query(sql, part))
        return found

    def keep(self, answers: Sequence[tuple[Key, bytes]]) -> None:
        """Add answers in one transaction; what is there already stays as it is."""
        self._database.do(lambda connection: insert(connection, answers))


def insert(connection: sqlite3.Connection, answers: Sequence[tuple[Key, bytes]]) -> None:
    """Add answers within a transaction."""
    connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", answers)
