"""One HTTP request to an OpenAI-compatible server, and everything that can be wrong with its reply.

By aiohttp: the `openai` client takes 2 to 3 ms of a core for each request, several times as much, and 64 requests of
200 ms then need most of a core. A reply is not believed before it is checked.
"""

from __future__ import annotations

import base64
import io
import json
import os
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from polysee import __version__
from polysee.schema.errors import MissingExtra, UserError
from polysee.schema.secrets import HIDDEN, redact
from polysee.services.base import ChatMessage, ChatReply, ChatRequest
from polysee.services.config import ChatConfig, ChatTranslatorConfig
from polysee.services.retry import Fault, parse_retry_after

EndpointConfig = ChatConfig | ChatTranslatorConfig

_DETAIL = 300
_LONGEST_REPLY = 1 << 26
"""Bytes; a server that sends without end is no reason to run out of memory."""
_SHORTEST_SECRET = 8
"""Characters; shorter keys are words like ``EMPTY`` for servers that want none, and answers may have those words."""
_LARGE = 1 << 20
_PICTURE = uuid.uuid4().hex.encode()
"""Stands for a picture until the rest of the request is JSON; nobody can have written it into a text."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_SPENT = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif"}


class Endpoint:
    """A chat model behind an address. Belongs to one event loop. Raises `UserError` for a key that is not set."""

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._key = api_key(config)
        self._telling = self._key if len(self._key) >= _SHORTEST_SECRET else ""
        self._session = _session(config, self._key)
        self._has_answered = False

    async def ask(self, request: ChatRequest) -> ChatReply:
        """Send one request. Raises `Fault` where it brings no answer, `UserError` where no request ever will."""
        body = await self._send("/chat/completions", _body(self._config, request))
        reply = _read(body)
        self._has_answered = True
        return replace(reply, text=reply.text.replace(self._telling, HIDDEN)) if self._telling else reply

    async def models(self) -> list[str] | None:
        """The models that the server lists; `None` if it has no such list. Raises as `ask` does."""
        try:
            body = await self._send("/models", optional=True)
        except Fault as fault:
            if fault.outage or fault.passing:
                raise
            return None
        listed = body.get("data")
        if not isinstance(listed, list):
            return None
        return [str(entry["id"]) for entry in listed if isinstance(entry, dict) and "id" in entry]

    def redact(self, text: str) -> str:
        """``text`` without the key, and without whatever else looks like one."""
        return redact(text, self._key)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _send(self, path: str, body: bytes | None = None, *, optional: bool = False) -> dict[str, Any]:
        import aiohttp

        address = self._config.base_url.rstrip("/") + path
        method = "GET" if body is None else "POST"
        # aiohttp sends what can be read in pieces, between which other requests have their turn.
        data = io.BytesIO(body) if body is not None and len(body) > _LARGE else body
        # `from None` throughout: errors of the network may hold the request with its headers, and these the key.
        try:
            # A redirect would take the key to wherever it leads.
            async with self._session.request(method, address, data=data, allow_redirects=False) as reply:
                content = await self._content(reply)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise Fault("unreachable", self._detail(f"{type(error).__name__}: {error}"), outage=True) from None
        except TimeoutError:
            raise Fault("timed-out", f"no reply within {self._config.timeout_s:g} s", billed=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise Fault("broken-reply", self._detail(f"{type(error).__name__}: {error}"), billed=True) from None
        if optional and reply.status in (404, 405, 501):
            raise Fault("no-list", "the server has no such page", passing=False)
        if not 200 <= reply.status < 300:
            raise self._refused(reply.status, reply.headers, content.decode("utf-8", errors="replace"))
        return self._parse(reply.headers.get("content-type", ""), content)

    async def _content(self, reply: Any) -> bytes:
        parts: list[bytes] = []
        length = 0
        while part := await reply.content.readany():
            parts.append(part)
            length += len(part)
            if length > _LONGEST_REPLY:
                raise Fault("broken-reply", f"a reply of more than {_LONGEST_REPLY >> 20} MiB", billed=True)
        return b"".join(parts)

    def _refused(self, status: int, headers: Any, text: str) -> Fault | UserError:
        said = self._detail(_complaint(text))
        place = f"service {self._config.name}"
        # Some vendors say 403 to a single question that they will not have asked.
        if status == 401 or (status == 403 and not self._has_answered):
            variable = self._config.api_key_env
            fix = f"check the key in {variable}" if variable else "name its variable in `api_key_env`"
            return UserError(f"the server refuses the key ({status}: {said})", fix, place=place)
        if status == 404:
            fix = f"check `base_url` and `model` ({self._config.model}) of the service {self._config.name!r}"
            return UserError(f"the server knows no such model or address ({said})", fix, place=place)
        if status == 402 or any(word in text for word in _SPENT):
            fix = "add credit, then run the same command again: what is answered is kept"
            return UserError(f"the account is out of credit ({status}: {said})", fix, place=place)
        if status == 429:
            return Fault("rate-limited", said, retry_after=parse_retry_after(headers.get("retry-after")))
        if status in (408, 409, 425) or status >= 500:
            wait = parse_retry_after(headers.get("retry-after"))
            return Fault("server-error", f"{status}: {said}", retry_after=wait)
        return Fault("refused", f"{status}: {said}", passing=False)

    def _parse(self, content_type: str, content: bytes) -> dict[str, Any]:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            start = content[:80].decode("utf-8", errors="replace")
            detail = f"a reply of type {content_type or 'unknown'} that is no JSON: {start!r}"
            raise Fault("broken-reply", self._detail(detail), billed=True) from None
        if not isinstance(body, dict):
            raise Fault("broken-reply", f"a reply of JSON, but {type(body).__name__}", billed=True)
        if body.get("error"):
            detail = self._detail(_complaint(json.dumps(body, ensure_ascii=False)))
            raise Fault("server-error", f"200 with an error: {detail}", billed=True)
        return body

    def _detail(self, text: str) -> str:
        return self.redact(" ".join(text.split()))[:_DETAIL]


def api_key(config: EndpointConfig) -> str:
    """The key out of the environment; "" where the service wants none. Raises `UserError` naming the variable."""
    variable = config.api_key_env
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        cause = f"the environment variable {variable} is not set, and the service {config.name!r} takes its key from it"
        raise UserError(cause, f"export {variable}=<the key>, or set `api_key_env` to the variable that holds it")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"the key in {variable} has characters that no key has", f"copy it into {variable} anew")
    return key


def bound_tokens(request: ChatRequest) -> int:
    """At most this many tokens go in: a token has a byte at least; pictures are taken to have 4,096."""
    return sum(len(m.text.encode("utf-8", "replace")) + 16 + 4096 * len(m.images) for m in request.messages)


def _session(config: EndpointConfig, key: str) -> Any:
    try:
        import aiohttp
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "services") from error
    headers = {"Content-Type": "application/json", "User-Agent": f"polysee/{__version__}"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    timeout = aiohttp.ClientTimeout(total=config.timeout_s, sock_connect=min(10.0, config.timeout_s))
    # Slots limit what is under way, not the pool of connections. aiohttp's own way to proxies reads ~/.netrc as well,
    # at every request, and may not be combined with a key.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=timeout,
        headers=headers,
        proxy=_proxy(config.base_url),
    )


def _proxy(address: str) -> str | None:
    """The proxy that the environment names for an address (``http_proxy``, ``no_proxy`` and their like), if any."""
    parts = urlsplit(address)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _body(config: EndpointConfig, request: ChatRequest) -> bytes:
    """The request as JSON. Base64 needs no escapes, and looking for some in it takes ten times as long as making it."""
    body = _encode(_arguments(config, request)).encode()
    images = [image for message in request.messages for image in message.images]
    before, *after = body.split(_PICTURE)
    return b"".join((before, *(part for pair in zip(map(_url, images), after, strict=True) for part in pair)))


def _arguments(config: EndpointConfig, request: ChatRequest) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "model": config.model,
        "messages": [_message(message) for message in request.messages],
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
    }
    if request.draw:
        arguments["seed"] = request.draw
    if request.json_schema is not None and config.json_mode == "schema":
        schema = {"name": "answer", "schema": json.loads(request.json_schema)}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif request.json_schema is not None and config.json_mode == "object":
        arguments["response_format"] = {"type": "json_object"}
    if config.parameters:
        arguments.update(config.parameters)
    return arguments


def _message(message: ChatMessage) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": _PICTURE.decode()}}] * len(message.images)
    return {"role": message.role, "content": [*parts, {"type": "text", "text": message.text}]}


def _url(data: bytes) -> bytes:
    kind = next((name for start, name in _KINDS.items() if data.startswith(start)), "application/octet-stream")
    return f"data:{kind};base64,".encode() + base64.b64encode(data)


def _read(body: dict[str, Any]) -> ChatReply:
    """The answer in a reply. Raises `Fault` where there is none."""
    tokens = _tokens(body.get("usage"))
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Fault("broken-reply", "a reply without an answer in it", billed=True, tokens=tokens)
    finish = choice.get("finish_reason")
    finish = finish if isinstance(finish, str) and finish else "stop"
    text = message.get("content")
    if message.get("refusal"):
        text, finish = "", "refusal"
    if text is None and finish != "stop":
        text = ""
    if not isinstance(text, str):
        raise Fault("broken-reply", "an answer that is no text", billed=True, tokens=tokens)
    if not text.strip() and finish == "stop":
        raise Fault("empty-answer", "the answer is empty", billed=True, tokens=tokens)
    return ChatReply(_whole(text), finish, *tokens)


def _whole(text: str) -> str:
    """JSON may escape half of a surrogate pair; such a text can be neither stored nor sent on."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _tokens(usage: Any) -> tuple[int, int]:
    """Tokens in and out; 0 where the reply does not say, or says what cannot be."""
    if not isinstance(usage, dict):
        return 0, 0
    found = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    sound = [n if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**40 else 0 for n in found]
    return sound[0], sound[1]


def _complaint(text: str) -> str:
    """The message inside of an error's body, or else the start of the body."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text[:_DETAIL]
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error.get("detail")) if isinstance(error, dict) else error
    return str(message)[:_DETAIL]
