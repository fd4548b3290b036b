"""How a request gets out: claimed, entered in the ledger, within a slot, tried again where that may help."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from polysee.schema.errors import UserError
from polysee.services.base import Failure
from polysee.services.cache import Key
from polysee.services.config import ChatConfig, ChatTranslatorConfig
from polysee.services.database import Database, Work
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
            await self._write(lambda connection: self._ledger.release(connection, held))

    def close(self) -> None:
        """Give back the slots."""
        self._slots.close()

    async def _try(
        self,
        request: Callable[[], Awaitable[Sent[Result]]],
        batch: Batch,
        key: Key | None,
        tokens: tuple[int, int],
    ) -> Sent[Result] | Answered | Wait | Fault:
        bound = self._cost(tokens)
        async with self._slots.one():
            batch.go_on()
            held = key in batch.held
            entered = await self._write(lambda connection: self._ledger.enter(connection, key, bound, held=held))
            if not isinstance(entered, Attempt):
                return entered
            if key is not None:
                batch.held.add(key)
            try:
                sent = await request()
            except Fault as fault:
                await self._failed(entered, fault)
                return fault
            except BaseException as error:
                # Also when this task is cancelled: what was sent may be charged for.
                outcome = "refused" if isinstance(error, UserError) else "interrupted"
                self._submit_failed(entered, outcome, bound if outcome == "interrupted" else 0.0)
                raise
            await self._succeeded(entered, sent, key)
            batch.held.discard(key or b"")
            self._last_success = time.monotonic()
            return sent

    async def _succeeded(self, attempt: Attempt, sent: Sent[Result], key: Key | None) -> None:
        tokens = sent.tokens or (0, 0)
        # The slot is held until the answer is safe: what a kill can lose is never more than what is under way.
        unsaid = attempt.bound if sent.tokens == (0, 0) else 0.0
        answer = (key, sent.value) if key is not None and sent.value is not None else None
        await self._write(
            lambda connection: self._ledger.settle(
                connection, attempt, ANSWERED, tokens=tokens, cost=self._cost(tokens), unsaid=unsaid, answer=answer
            )
        )

    async def _failed(self, attempt: Attempt, fault: Fault) -> None:
        said = fault.tokens != (0, 0)
        await self._write(
            lambda connection: self._ledger.settle(
                connection,
                attempt,
                fault.reason,
                tokens=fault.tokens,
                cost=self._cost(fault.tokens),
                unsaid=attempt.bound if fault.billed and not said else 0.0,
            )
        )

    def _submit_failed(self, attempt: Attempt, outcome: str, unsaid: float) -> None:
        self._database.submit(lambda connection: self._ledger.settle(connection, attempt, outcome, unsaid=unsaid))

    async def _write(self, work: Work[Result]) -> Result:
        return await asyncio.wrap_future(self._database.submit(work))

    def _cost(self, tokens: tuple[int, int]) -> float:
        return (tokens[0] * self._config.price_in + tokens[1] * self._config.price_out) / _MILLION

    def _gone(self, fault: Fault) -> UserError:
        return UserError(
            f"the service {self._config.name!r} at {self._config.base_url} cannot be reached ({fault.detail})",
            "start it, or mend its `base_url`, and run the same command again: what is answered is kept",
        )
