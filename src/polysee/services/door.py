"""How a request gets out: claimed, entered in the ledger, within a slot, tried again where that may help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from polysee.schema.errors import UserError
from polysee.services.base import Failure
from polysee.services.cache import Key
from polysee.services.config import ChatConfig, ChatTranslatorConfig
from polysee.services.database import Database, Outbox, Work
from polysee.services.ledger import ANSWERED, Answered, Attempt, Ledger, Wait
from polysee.services.retry import Fault, wait_before
from polysee.services.slots import Slots

Result = TypeVar("Result")

_POLL_SECONDS = 0.05
_MILLION = 1_000_000


class Stopped(Exception):
    """The batch is over: something else in it stops the run."""


@dataclass(slots=True)
class Batch:
    """What the questions of one call share. ``stop``: why no further attempt may begin; ``held``: claims of ours."""

    stop: BaseException | None = None
    held: set[Key] = field(default_factory=set)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, error: BaseException) -> None:
        """Let no further attempt begin; what is under way ends in its own time."""
        self.stop = self.stop or error
        self._stopped.set()

    async def pause(self, seconds: float) -> None:
        """Wait. Raises `Stopped` as soon as the batch is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)
        self.go_on()

    def go_on(self) -> None:
        """Raises `Stopped` if the batch is over."""
        if self.stop is not None:
            raise Stopped


@dataclass(frozen=True, slots=True)
class Sent(Generic[Result]):
    """What a request brought. ``tokens``: in and out, `None` for what costs nothing. ``value``: for the cache."""

    result: Result
    tokens: tuple[int, int] | None = None
    value: bytes | None = None


class Door:
    """Sends the requests of one service. Belongs to one event loop."""

    def __init__(self, config: ChatConfig | ChatTranslatorConfig, database: Database, folder: Path) -> None:
        self._config = config
        self._database = database
        self._outbox = Outbox(database)
        self._ledger = Ledger(database, config.name, config.max_cost)
        self._slots = Slots(folder / "slots" / config.name, config.max_concurrency)
        self._last_success = 0.0

    async def send(
        self,
        request: Callable[[], Awaitable[Sent[Result]]],
        batch: Batch,
        *,
        key: Key | None = None,
        tokens: tuple[int, int] = (0, 0),
    ) -> Sent[Result] | Answered | Wait | Failure:
        """Send ``request`` until it brings something, at most ``retries`` times again.

        ``key``: to claim, and to keep the answer by. ``tokens``: bounds of what goes in and out. Gives `Answered` or
        `Wait` where another process has the answer, or asks for it. Raises `UserError` for what stops the run.
        """
        started, tries = time.monotonic(), 0
        while True:
            batch.go_on()
            found = await self._try(request, batch, key, tokens)
            if isinstance(found, Wait):
                if key is not None and key not in batch.held:
                    return found
                await batch.pause(_POLL_SECONDS)
                continue
            if not isinstance(found, Fault):
                return found
            tries += 1
            if not found.passing:
                break
            if tries > self._config.retries:
                if found.outage and self._last_success < started:
                    raise self._gone(found)
                break
            await batch.pause(wait_before(tries, self._config.backoff_s, found.retry_after))
        await self.release(batch, key)
        return Failure(found.reason, found.detail)

    async def release(self, batch: Batch, *keys: Key | None) -> None:
        """Give up claims of ours."""
        held = [key for key in keys if key is not None and key in batch.held]
        batch.held.difference_update(held)
        if held:
            await self._outbox.write(lambda connection: self._ledger.release(connection, held))

    def close(self) -> None:
        """Give back the slots. To be called on the event loop."""
        self._slots.close()

    async def _try(
        self,
        request: Callable[[], Awaitable[Sent[Result]]],
        batch: Batch,
        key: Key | None,
        tokens: tuple[int, int],
    ) -> Sent[Result] | Answered | Wait | Fault:
        slot = await self._slots.take()
        try:
            batch.go_on()
            entered = await self._enter(batch, key, self._cost(tokens))
            if not isinstance(entered, Attempt):
                return entered
            found = await self._attempt(entered, request)
            written = self._outbox.write(self._settle(entered, found, key))
        finally:
            # Others have the slot once the answer is safe, so that a kill loses no more than what is under way. The
            # next of ours has it at once: its own entry is written after the answer, and it sends nothing before that.
            self._slots.give(slot, self._outbox.latest)
        await written
        if isinstance(found, Sent):
            batch.held.discard(key or b"")
            self._last_success = time.monotonic()
        return found

    async def _enter(self, batch: Batch, key: Key | None, bound: float) -> Attempt | Answered | Wait:
        held = key in batch.held
        written = self._outbox.write(lambda connection: self._ledger.enter(connection, key, bound, held=held))
        cancelled: asyncio.CancelledError | None = None
        try:
            await written
        except asyncio.CancelledError as error:
            cancelled = error
        entered = written.result()
        if isinstance(entered, Attempt) and key is not None:
            batch.held.add(key)
        if cancelled is not None:
            # It was not sent. A claim that nobody gave up would keep everybody waiting.
            if isinstance(entered, Attempt):
                self._submit_failed(entered, "interrupted", 0.0)
            raise cancelled
        return entered

    async def _attempt(self, attempt: Attempt, request: Callable[[], Awaitable[Sent[Result]]]) -> Sent[Result] | Fault:
        try:
            return await request()
        except Fault as fault:
            return fault
        except BaseException as error:
            # Also when this task is cancelled: what was sent may be charged for.
            outcome = "refused" if isinstance(error, UserError) else "interrupted"
            self._submit_failed(attempt, outcome, attempt.bound if outcome == "interrupted" else 0.0)
            raise

    def _settle(self, attempt: Attempt, found: Sent[Any] | Fault, key: Key | None) -> Work[None]:
        if isinstance(found, Fault):
            outcome, tokens, answer = found.reason, found.tokens, None
            unsaid = attempt.bound if found.billed and tokens == (0, 0) else 0.0
        else:
            outcome, tokens = ANSWERED, found.tokens or (0, 0)
            unsaid = attempt.bound if found.tokens == (0, 0) else 0.0
            answer = (key, found.value) if key is not None and found.value is not None else None
        cost = self._cost(tokens)
        return lambda connection: self._ledger.settle(
            connection, attempt, outcome, tokens=tokens, cost=cost, unsaid=unsaid, answer=answer
        )

    def _submit_failed(self, attempt: Attempt, outcome: str, unsaid: float) -> None:
        self._database.submit(lambda connection: self._ledger.settle(connection, attempt, outcome, unsaid=unsaid))

    def _cost(self, tokens: tuple[int, int]) -> float:
        return (tokens[0] * self._config.price_in + tokens[1] * self._config.price_out) / _MILLION

    def _gone(self, fault: Fault) -> UserError:
        return UserError(
            f"the service {self._config.name!r} at {self._config.base_url} cannot be reached ({fault.detail})",
            "start it, or mend its `base_url`, and run the same command again: what is answered is kept",
        )
