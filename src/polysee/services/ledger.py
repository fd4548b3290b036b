"""What was asked of each service and what it cost, counted by attempt, before it is sent; and who asks what just now.

An attempt is entered with an upper bound of its cost and settled with the true one. The bound of an attempt that was
never settled, because its process died or its reply did not say, stays on the bill: a budget errs on the safe side.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.services.cache import Key, insert
from polysee.services.database import FILE, Database, explain

ANSWERED = "answered"
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Totals:
    """All that a service did. ``attempts``: requests sent. ``hits``: answers out of the cache.

    ``cost``: of the attempts whose replies said their tokens. ``unsaid``: upper bound for those that did not say.
    ``outcomes``: how many attempts ended how (``answered``, ``rate-limited``, …); those under way have none yet.
    """

    service: str
    attempts: int = 0
    hits: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    unsaid: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)

    @property
    def spent(self) -> float:
        """What counts against the budget."""
        return self.cost + self.unsaid

    def since(self, earlier: Totals) -> Totals:
        """What was added since ``earlier``."""
        fresh = {name: n - earlier.outcomes.get(name, 0) for name, n in self.outcomes.items()}
        return Totals(
            self.service,
            self.attempts - earlier.attempts,
            self.hits - earlier.hits,
            self.tokens_in - earlier.tokens_in,
            self.tokens_out - earlier.tokens_out,
            self.cost - earlier.cost,
            self.unsaid - earlier.unsaid,
            {name: n for name, n in fresh.items() if n},
        )

    def line(self) -> str:
        """For people: ``writer: 120 requests (3 rate-limited), 40 from the cache, 9,000 + 1,200 tokens, cost 0.12``."""
        bad = ", ".join(f"{n:,} {name}" for name, n in sorted(self.outcomes.items()) if name != ANSWERED)
        parts = [f"{self.attempts:,} requests" + (f" ({bad})" if bad else ""), f"{self.hits:,} from the cache"]
        if self.tokens_in or self.tokens_out:
            parts.append(f"{self.tokens_in:,} + {self.tokens_out:,} tokens")
        if self.spent:
            parts.append(f"cost {money(self.cost)}")
        if self.unsaid:
            parts.append(f"at most {money(self.unsaid)} more that no reply told")
        return f"{self.service}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Answered:
    """Another process has the answer by now."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else asks for this just now, or what is under way may use up the budget: look again in a moment."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is entered and may be sent."""

    id: int
    service: str
    bound: float


class Ledger:
    """The books of one service. ``budget``: the most that it may cost, over all runs of the work folder."""

    def __init__(self, database: Database, service: str, budget: float | None) -> None:
        self._database = database
        self._service = service
        self._budget = budget

    def is_claimed(self, key: Key) -> bool:
        """Whether a process that is alive asks for ``key`` just now."""
        owners = self._database.query("SELECT owner FROM claims WHERE key = ?", [key])
        return bool(owners) and self._database.is_alive(owners[0][0])

    def enter(
        self, connection: sqlite3.Connection, key: Key | None, bound: float, *, held: bool
    ) -> Attempt | Answered | Wait:
        """Within a transaction: claim ``key`` (`None`: nothing to claim) and enter an attempt that costs at most
        ``bound``. ``held``: the claim is ours already. Raises `UserError` once the budget cannot pay for it."""
        if key is not None and not held:
            row = connection.execute("SELECT value FROM answers WHERE key = ?", [key]).fetchone()
            if row is not None:
                return Answered(row[0])
            row = connection.execute("SELECT owner FROM claims WHERE key = ?", [key]).fetchone()
            if row is not None and self._database.is_alive(row[0]):
                return Wait()
        if not self._affordable(connection, bound):
            return Wait()
        owner = self._database.owner
        if key is not None and not held:
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", [key, owner])
        _add(connection, self._service, attempts=1)
        sql = "INSERT INTO under_way (service, owner, bound) VALUES (?, ?, ?)"
        number = connection.execute(sql, [self._service, owner, bound]).lastrowid
        assert number is not None
        return Attempt(number, self._service, bound)

    def settle(
        self,
        connection: sqlite3.Connection,
        attempt: Attempt,
        outcome: str,
        *,
        tokens: tuple[int, int] = (0, 0),
        cost: float = 0.0,
        unsaid: float = 0.0,
        answer: tuple[Key, bytes] | None = None,
    ) -> None:
        """Within a transaction: close an attempt, and keep the answer that it brought, which ends its claim."""
        connection.execute("DELETE FROM under_way WHERE id = ?", [attempt.id])
        _add(connection, self._service, tokens_in=tokens[0], tokens_out=tokens[1], cost=cost, unsaid=unsaid)
        sql = "INSERT INTO outcomes VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET n = n + 1"
        connection.execute(sql, [self._service, outcome])
        if answer is not None:
            insert(connection, [answer])
            connection.execute("DELETE FROM claims WHERE key = ?", [answer[0]])

    def release(self, connection: sqlite3.Connection, keys: Sequence[Key]) -> None:
        """Within a transaction: give up claims of ours."""
        owner = self._database.owner
        connection.executemany("DELETE FROM claims WHERE key = ? AND owner = ?", [(key, owner) for key in keys])

    def note(self, *, asked: int = 0, hits: int = 0) -> None:
        """Count questions to a service without attempts of its own (a local model), and answers out of the cache."""
        if asked or hits:
            self._database.do(lambda connection: _add(connection, self._service, attempts=asked, hits=hits))

    def _affordable(self, connection: sqlite3.Connection, bound: float) -> bool:
        if self._budget is None:
            return True
        self._bury(connection)
        (under_way,) = connection.execute(
            "SELECT COALESCE(SUM(bound), 0) FROM under_way WHERE service = ?", [self._service]
        ).fetchone()
        spent = _totals(connection, self._service).spent
        # Sums of many small amounts may miss the budget by their last digits.
        if spent + under_way + bound <= self._budget * (1 + _ROUNDING):
            return True
        if under_way:
            return False
        raise UserError(
            f"the service {self._service!r} has spent {money(spent)} of its budget of {money(self._budget)}, "
            f"and the next request may cost {money(bound)}",
            f"raise `max_cost` of the service {self._service!r} and run the same command again: "
            "what is answered is kept, and nothing is paid twice",
        )

    def _bury(self, connection: sqlite3.Connection) -> None:
        """Put what processes that died had under way on the bill."""
        owners = connection.execute("SELECT DISTINCT owner FROM under_way WHERE service = ?", [self._service])
        for (owner,) in owners.fetchall():
            if not self._database.is_alive(owner):
                where = "FROM under_way WHERE service = ? AND owner = ?"
                n, bound = connection.execute(f"SELECT COUNT(*), SUM(bound) {where}", [self._service, owner]).fetchone()
                connection.execute(f"DELETE {where}", [self._service, owner])
                _add(connection, self._service, unsaid=bound)
                sql = "INSERT INTO outcomes VALUES (?, 'interrupted', ?) ON CONFLICT DO UPDATE SET n = n + ?"
                connection.execute(sql, [self._service, n, n])


def totals(database: Database, service: str) -> Totals:
    """All that is committed about ``service``."""
    return _collect(
        service,
        database.query(_TOTALS, [service]),
        database.query("SELECT outcome, n FROM outcomes WHERE service = ?", [service]),
    )


def read_totals(folder: Path) -> list[Totals]:
    """What all services of a work folder did, without opening its database for writing. ``folder``: of the services."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            names = [name for (name,) in connection.execute("SELECT service FROM totals ORDER BY service")]
            return [
                _collect(
                    name,
                    connection.execute(_TOTALS, [name]).fetchall(),
                    connection.execute("SELECT outcome, n FROM outcomes WHERE service = ?", [name]).fetchall(),
                )
                for name in names
            ]
    except sqlite3.Error as error:
        raise explain(error, path) from error


_TOTALS = "SELECT attempts, hits, tokens_in, tokens_out, cost, unsaid FROM totals WHERE service = ?"


def money(amount: float) -> str:
    """An amount with as many digits as it takes to see it: ``12.35``, ``0.0042``."""
    return f"{amount:,.2f}" if amount >= 1 or amount == 0 else f"{amount:.2g}"


def _totals(connection: sqlite3.Connection, service: str) -> Totals:
    return _collect(service, connection.execute(_TOTALS, [service]).fetchall(), [])


def _collect(service: str, rows: list[tuple[float, ...]], outcomes: list[tuple[str, int]]) -> Totals:
    if not rows:
        return Totals(service)
    attempts, hits, tokens_in, tokens_out, cost, unsaid = rows[0]
    return Totals(service, int(attempts), int(hits), int(tokens_in), int(tokens_out), cost, unsaid, dict(outcomes))


def _add(connection: sqlite3.Connection, service: str, **amounts: float) -> None:
    names = list(amounts)
    columns, marks = ", ".join(names), ", ".join("?" * len(names))
    changes = ", ".join(f"{name} = {name} + excluded.{name}" for name in names)
    connection.execute(
        f"INSERT INTO totals (service, {columns}) VALUES (?, {marks}) ON CONFLICT (service) DO UPDATE SET {changes}",
        [service, *amounts.values()],
    )
