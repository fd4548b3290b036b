"""How fast and how sparing the services' door is, against a scripted server in a process of its own.

``python benchmarks/services.py`` prints: the share of the ideal rate at 200 ms and 64 requests at once, the calls of a
second run, what is asked again after ``kill -9``, and cache look-ups a second. Takes under a minute.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests" / "services"
sys.path.insert(0, str(TESTS))

from server import Server  # noqa: E402

from polysee.services.base import ChatMessage, ChatReply, ChatRequest  # noqa: E402
from polysee.services.cache import AnswerCache, Keys  # noqa: E402
from polysee.services.chat import ChatService  # noqa: E402
from polysee.services.config import ChatConfig  # noqa: E402
from polysee.services.database import Database  # noqa: E402
from polysee.services.ledger import totals  # noqa: E402

LATENCY = 0.2
AT_ONCE = 64
REQUESTS = 64 * 40
LOOKUPS = 200_000


def requests(n: int) -> list[ChatRequest]:
    """``n`` different questions."""
    return [ChatRequest((ChatMessage("user", f"ما هذا الشيء؟ {number}"),)) for number in range(n)]


@contextmanager
def server_process(folder: Path) -> Iterator[str]:
    """The address of a server with `LATENCY` that refuses more than `AT_ONCE` requests."""
    port_file = folder / "port"
    process = subprocess.Popen([sys.executable, TESTS / "server.py", port_file, str(LATENCY), str(AT_ONCE)])
    try:
        while not port_file.exists() or not port_file.read_text():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port_file.read_text()}/v1"
    finally:
        process.terminate()
        process.wait()


def rate(folder: Path) -> None:
    """Requests a second, beside what latency and limit allow; then the same again."""
    database = Database(folder / "rate")
    with server_process(folder) as url:
        config = ChatConfig(name="rate", base_url=url, model="tiny", max_concurrency=AT_ONCE)
        chat = ChatService(config, database, folder / "rate")
        # Imports and connections are made once a process, not once a request.
        chat.ask([ChatRequest((ChatMessage("user", f"warm {n}"),)) for n in range(AT_ONCE)])
        asked = requests(REQUESTS)
        start = time.perf_counter()
        answers = chat.ask(asked)
        seconds = time.perf_counter() - start
        ideal = AT_ONCE / LATENCY
        good = sum(isinstance(answer, ChatReply) for answer in answers)
        made = good / seconds
        found = totals(database, "rate")
        print(f"{good} answers in {seconds:.2f} s: {made:.0f}/s, {made / ideal:.1%} of the ideal {ideal:.0f}/s")
        refused = found.outcomes.get("rate-limited", 0)
        print(f"requests {found.attempts - AT_ONCE}, refused as too many at once: {refused}")
        before = found.attempts
        start = time.perf_counter()
        chat.ask(asked)
        seconds = time.perf_counter() - start
        calls = totals(database, "rate").attempts - before
        print(f"second run: {calls} calls, {REQUESTS / seconds:,.0f} answers/s through `ask`")
        chat.close()
    database.close()


def killed(folder: Path) -> None:
    """Kill a process that asks, go on in another, and count what the server was asked twice."""
    with Server(latency=0.02).running() as server:
        for until in (100, 200, None):
            command = [sys.executable, TESTS / "kill_child.py", server.url, folder / "killed"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            if until is None:
                process.wait()
                break
            while server.posts < until:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
        twice = sum(n - 1 for n in server.questions.values())
        print(f"killed twice with 8 requests at once: {len(server.questions)} questions, {twice} asked again")


def lookups(folder: Path) -> None:
    """Look-ups a second in a cache of answers of 400 bytes."""
    database = Database(folder / "lookups")
    keys = Keys({"model": "tiny"})
    made = [keys.of(number) for number in range(LOOKUPS)]
    cache = AnswerCache(database)
    start = time.perf_counter()
    cache.keep([(key, b"x" * 400) for key in made])
    print(f"cache: {LOOKUPS / (time.perf_counter() - start):,.0f} additions/s in one batch", end=", ")
    start = time.perf_counter()
    found = cache.find(made)
    print(f"{len(found) / (time.perf_counter() - start):,.0f} look-ups/s")
    database.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        for part in (lookups, killed, rate):
            part(Path(temporary))
