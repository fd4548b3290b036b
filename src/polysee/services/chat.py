"""The chat service: every question goes through the cache and the door, and every answer is checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from polysee.schema.errors import UserError
from polysee.services.base import ChatMessage, ChatReply, ChatRequest, Check, Failure
from polysee.services.cache import AnswerCache, Key, Keys
from polysee.services.configured import Configured
from polysee.services.database import Database
from polysee.services.door import Batch, Door, Sent, Stopped
from polysee.services.endpoint import Endpoint, EndpointConfig, api_key, bound_tokens
from polysee.services.ledger import Answered, Ledger, Wait
from polysee.services.loop import wait_for
from polysee.services.structured import NotAsked, extract

VERSION = 1
"""Raised whenever the same question would be put in other words."""

_json = json.JSONEncoder(ensure_ascii=False).encode
_SHORTEST_POLL = 0.02
_LONGEST_POLL = 0.5
_WITHOUT_TEXT = {"content_filter": "filtered", "refusal": "refused-by-model", "length": "cut-short"}


@dataclass(frozen=True, slots=True)
class _Complaint:
    """What is wrong with an answer: ``reason`` for the funnel, ``text`` for the model."""

    reason: str
    text: str


class ChatService(Configured[EndpointConfig]):
    """A `Chat` behind an OpenAI-compatible address. ``folder``: of slots; ``database``: of answers and costs."""

    def __init__(self, config: EndpointConfig, database: Database, folder: Path) -> None:
        super().__init__(config)
        self._folder = folder
        self._cache = AnswerCache(database)
        self._database = database
        self._ledger = Ledger(database, config.name, config.max_cost)
        self._keys = Keys({"service": "chat", **_identity(config)}, VERSION)
        self._open: tuple[Endpoint, Door] | None = None

    def ask(self, requests: Sequence[ChatRequest], check: Check | None = None) -> list[ChatReply | Failure]:
        """One answer a request, in order; equal requests are asked once.

        An answer is in the cache once it is paid for, whatever ``check`` says of it: asking again costs nothing and
        goes the same way. ``check`` may be called on another thread. With a ``json_schema`` the reply's text is the
        JSON value alone. Raises `UserError` for a missing key, an unknown model, a spent budget or a service that is
        gone; what was under way then is waited for and kept.
        """
        keys = [self._key(request) for request in requests]
        unique = dict(zip(keys, requests, strict=True))
        cached = self._cache.find(unique)
        done: dict[Key, ChatReply | Failure] = {}
        for key, value in cached.items():
            judged = _judge(_decode(value), unique[key], check)
            if not isinstance(judged, _Complaint):
                done[key] = judged
        self._ledger.note(hits=len(cached))
        left = {key: request for key, request in unique.items() if key not in done}
        if left:
            done.update(wait_for(self._ask(left, check)))
        return [done[key] for key in keys]

    def probe(self) -> None:
        """Make sure, before a run depends on it, that the service has its key, answers, and knows the model.

        Raises `UserError`. Asks for the list of models and, where that does not name the model, for one token.
        """
        api_key(self._config)
        wait_for(self._probe())

    def close(self) -> None:
        """Close connections and slots. Calling it again does nothing."""
        if self._open is not None:
            endpoint, door = self._open
            self._open = None
            wait_for(_shut(endpoint, door))

    async def _probe(self) -> None:
        endpoint, door = self._opened()
        batch = Batch()

        async def models() -> Sent[list[str] | None]:
            return Sent(await endpoint.models())

        listed = await door.send(models, batch)
        if isinstance(listed, Sent) and listed.result is not None and self._config.model in listed.result:
            return
        # Many servers list less than they serve, or nothing: only an answer tells.
        word = ChatRequest((ChatMessage("user", "1"),), max_tokens=1)
        reply = await self._reply(self._key(word), word, batch)
        if isinstance(reply, Failure) and reply.reason not in _WITHOUT_TEXT.values():
            cause = f"the service {self.name!r} does not answer ({reply.reason}: {reply.detail})"
            raise UserError(cause, f"check `base_url` and `model` ({self.model}), and the server's own log")

    def _opened(self) -> tuple[Endpoint, Door]:
        if self._open is None:
            endpoint = Endpoint(self._config)
            self._open = endpoint, Door(self._config, self._database, self._folder)
        return self._open

    def _key(self, request: ChatRequest) -> Key:
        messages: list[JsonValue] = [
            [m.role, m.text, [hashlib.sha256(data).hexdigest() for data in m.images]] if m.images else [m.role, m.text]
            for m in request.messages
        ]
        return self._keys.of(
            [messages, request.temperature, request.max_tokens, request.draw, request.json_schema or ""]
        )

    async def _ask(self, requests: dict[Key, ChatRequest], check: Check | None) -> dict[Key, ChatReply | Failure]:
        _, door = self._opened()
        batch = Batch()
        done: dict[Key, ChatReply | Failure] = {}
        # More than can be sent at once, because some wait for their next try; but not one task for each of millions.
        gate = asyncio.Semaphore(4 * self._config.max_concurrency)

        async def one(key: Key, request: ChatRequest) -> None:
            try:
                done[key] = await self._answer(key, request, check, batch)
            except Stopped:
                pass
            except Exception as error:
                batch.end(error)
            finally:
                gate.release()

        try:
            async with asyncio.TaskGroup() as group:
                for key, request in requests.items():
                    await gate.acquire()
                    if batch.stop is not None:
                        break
                    group.create_task(one(key, request))
        finally:
            await door.release(batch, *batch.held)
        if batch.stop is not None:
            raise batch.stop
        return done

    async def _answer(self, key: Key, request: ChatRequest, check: Check | None, batch: Batch) -> ChatReply | Failure:
        """Ask until the answer will do; each time the model is shown its answer and what is wrong with it."""
        asked = request
        failure = Failure("check-failed")
        for attempt in range(self._config.reasks + 1):
            missed = attempt == 0
            reply = await self._reply(key if missed else self._key(asked), asked, batch, missed=missed)
            judged = reply if isinstance(reply, Failure) else _judge(reply, request, check)
            if not isinstance(judged, _Complaint):
                return judged
            assert isinstance(reply, ChatReply)
            failure = Failure(judged.reason, judged.text)
            said = (ChatMessage("assistant", reply.text), ChatMessage("user", _again(judged.text)))
            asked = replace(request, messages=(*request.messages, *said))
        return failure

    async def _reply(
        self, key: Key, request: ChatRequest, batch: Batch, *, missed: bool = False
    ) -> ChatReply | Failure:
        """The answer to one question: out of the cache, from whoever else is asking it, or by asking.

        ``missed``: the cache had no answer just now, so that only the ledger looks once more.
        """
        endpoint, door = self._opened()
        poll = _SHORTEST_POLL
        if not all(_is_text(message.text) for message in request.messages):
            return Failure("invalid-text", "half a surrogate pair cannot be sent")

        async def ask() -> Sent[ChatReply]:
            reply = await endpoint.ask(request)
            return Sent(reply, (reply.tokens_in, reply.tokens_out), _encode(reply))

        while True:
            found = {} if missed else self._cache.find([key])
            if found:
                return _decode(found[key])
            if missed or not self._ledger.is_claimed(key):
                sent = await door.send(ask, batch, key=key, tokens=(bound_tokens(request), request.max_tokens))
                if isinstance(sent, Sent):
                    return sent.result
                if isinstance(sent, Answered):
                    return _decode(sent.value)
                if not isinstance(sent, Wait):
                    return sent
            missed = False
            await batch.pause(poll)
            poll = min(poll * 1.5, _LONGEST_POLL)


async def _shut(endpoint: Endpoint, door: Door) -> None:
    await endpoint.close()
    door.close()


def _identity(config: EndpointConfig) -> dict[str, JsonValue]:
    """A translator by chat and a chat by the same model share their answers."""
    return {name: value for name, value in config.identity().items() if name not in ("kind", "prompt_language")}


def _judge(reply: ChatReply, request: ChatRequest, check: Check | None) -> ChatReply | Failure | _Complaint:
    if not reply.text.strip():
        reason = _WITHOUT_TEXT.get(reply.finish, "empty-answer")
        return Failure(reason, f"the model wrote nothing and ended with {reply.finish!r}")
    if request.json_schema is not None:
        try:
            reply = replace(reply, text=extract(reply.text, request.json_schema))
        except NotAsked as error:
            if reply.finish == "length":
                return Failure("cut-short", f"the JSON is not complete after {request.max_tokens} tokens")
            return _Complaint("bad-json", str(error))
    problem = check(reply.text) if check is not None else None
    return reply if problem is None else _Complaint("check-failed", problem)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _again(complaint: str) -> str:
    return f"This will not do: {complaint}. Please mend that, and reply with the whole corrected answer and no more."


def _encode(reply: ChatReply) -> bytes:
    return _json([reply.text, reply.finish, reply.tokens_in, reply.tokens_out]).encode()


def _decode(value: bytes) -> ChatReply:
    text, finish, tokens_in, tokens_out = json.loads(value)
    return ChatReply(text, finish, tokens_in, tokens_out)
