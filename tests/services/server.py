"""A scripted OpenAI-compatible server on a real socket: it throttles, hangs, breaks off, lies, and counts.

``python server.py PORT_FILE LATENCY LIMIT`` runs it as a process of its own that writes its port to a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Script = Callable[[int, dict[str, Any]], str]
"""Number of the request (from 0) and its body -> what to do: ``ok`` or one of the faults in `Server._fault`."""


def last_text(body: dict[str, Any]) -> str:
    """The text of the last message of a request."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[-1]["text"])


@dataclass
class Server:
    """``latency``: seconds a request; ``limit``: more requests at once are answered with 429.

    ``script``: what to do with each request. ``answer``: the text of a good answer. ``listed``: models that it lists;
    `None`: it has no list. ``key``: what it wants as a key; `None`: nothing.
    """

    latency: float = 0.0
    limit: int = 10_000
    script: Script = lambda number, body: "ok"
    answer: Callable[[dict[str, Any]], str] = lambda body: f"answer to {last_text(body)}"
    listed: tuple[str, ...] | None = None
    model: str = "tiny"
    key: str | None = None
    retry_after: str = "0.05"
    requests: int = 0
    posts: int = 0
    at_once: int = 0
    most_at_once: int = 0
    good: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=1 << 24)
        self.port = server.sockets[0].getsockname()[1]
        return server

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Serve on a thread while the block runs."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self.start(), loop).result()

        async def stop() -> None:
            server.close()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.01)

        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests += 1
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            said = headers.get("authorization", "")
            return self._reply(writer, 401, {"error": {"message": f"bad key: {said}"}})
        if lines[0].startswith("GET"):
            if self.listed is None:
                return self._reply(writer, 404, {"error": {"message": "no such page"}})
            return self._reply(writer, 200, {"data": [{"id": name} for name in self.listed]})
        return await self._post(json.loads(content), writer)

    async def _post(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        number, self.posts = self.posts, self.posts + 1
        self.bodies.append(body)
        self.questions[last_text(body)] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.at_once > self.limit:
                return self._reply(writer, 429, {"error": {"message": "slow down"}}, ("Retry-After", self.retry_after))
            if self.latency:
                await asyncio.sleep(self.latency)
            if body["model"] != self.model:
                return self._reply(writer, 404, {"error": {"message": f"no model {body['model']}"}})
            does = self.script(number, body)
            if does != "ok":
                return await self._fault(does, body, writer)
            self.good += 1
            self.answered[last_text(body)] += 1
            return self._reply(writer, 200, completion(self.answer(body)))
        finally:
            self.at_once -= 1

    async def _fault(self, does: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        good = json.dumps(completion(self.answer(body))).encode()
        if does in ("429", "500", "503", "400", "403"):
            error = {"error": {"message": f"fault {does}"}}
            return self._reply(writer, int(does), error, ("Retry-After", self.retry_after if does == "429" else "0"))
        if does == "hang":
            await asyncio.sleep(3600)
        if does == "reset":
            writer.transport.abort()
            return False
        if does == "break":
            writer.write(_head(200, len(good)) + good[: len(good) // 2])
            await writer.drain()
            writer.transport.abort()
            return False
        if does == "overlong":
            writer.write(_head(200, len(good) + 50) + good)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            return False
        bodies: dict[str, Any] = {
            "malformed": good[:-5],
            "html": b"<html><body>Bad gateway</body></html>",
            "no-choices": json.dumps({"choices": [], "usage": {}}).encode(),
            "error-in-200": json.dumps({"error": {"message": "overloaded"}}).encode(),
            "empty": json.dumps(completion("")).encode(),
            "null": json.dumps({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}).encode(),
            "list": b"[]",
            "no-usage": json.dumps({"choices": [{"message": {"content": "unbilled"}}]}).encode(),
            "lying-usage": json.dumps({**completion("lies"), "usage": {"prompt_tokens": -5, "completion_tokens": "9"}}),
            "filtered": json.dumps(completion("", "content_filter")).encode(),
            "cut": json.dumps(completion('{"a": ', "length")).encode(),
        }
        data = bodies[does]
        data = data.encode() if isinstance(data, str) else data
        writer.write(_head(200, len(data), "text/html" if does == "html" else "application/json") + data)
        return True

    def _reply(self, writer: asyncio.StreamWriter, status: int, body: Any, *more: tuple[str, str]) -> bool:
        data = json.dumps(body, ensure_ascii=False).encode()
        writer.write(_head(status, len(data), more=more) + data)
        return True


def completion(text: str, finish: str = "stop") -> dict[str, Any]:
    """The body of a good answer: ten tokens in, one out for each character."""
    usage = {"prompt_tokens": 10, "completion_tokens": len(text)}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}


def _head(status: int, length: int, kind: str = "application/json", more: tuple[tuple[str, str], ...] = ()) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _main(port_file: Path, latency: float, limit: int) -> None:
    server = Server(latency=latency, limit=limit)
    listening = await server.start()
    port_file.write_text(str(server.port))
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
