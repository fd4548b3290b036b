"""How fast and how sparing the services' door is, against a scripted server in a process of its own.

``python benchmarks/services.py`` prints: the share of the ideal rate at 200 ms and 64 requests at once, beside a bare
aiohttp client that sends the same requests and keeps nothing; the processor time of a request; the calls of a second
run; what is asked again after ``kill -9``; and cache look-ups a second. Takes a minute and a half. Without ``--client``
and ``--server`` (numbers of processor cores) the operating system places both.

The ideal: the requests divided by 64, times 200 ms. The time taken includes the start and the end, where fewer than 64
are under way, and making and looking up the keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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
ROUNDS = 3
LOOKUPS = 200_000


def requests(n: int, word: str = "") -> list[ChatRequest]:
    """``n`` different questions."""
    return [ChatRequest((ChatMessage("user", f"ما هذا الشيء؟ {word} {number}"),)) for number in range(n)]


@contextmanager
def server_process(folder: Path, core: int | None) -> Iterator[str]:
    """The address of a server with `LATENCY` that refuses more than `AT_ONCE` requests."""
    port_file = folder / "port"
    process = subprocess.Popen([sys.executable, TESTS / "server.py", port_file, str(LATENCY), str(AT_ONCE)])
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    try:
        while not port_file.exists() or not port_file.read_text():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port_file.read_text()}/v1"
    finally:
        process.terminate()
        process.wait()


async def bare(url: str, asked: list[ChatRequest]) -> int:
    """Ask by aiohttp and nothing else: `AT_ONCE` tasks that take the next question as soon as they have an answer."""
    import aiohttp

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers={"Content-Type": "application/json"}
    ) as session:

        async def work(questions: Iterator[ChatRequest]) -> int:
            good = 0
            for question in questions:
                messages = [{"role": one.role, "content": one.text} for one in question.messages]
                body = {"model": "tiny", "messages": messages, "temperature": 0.0, "max_tokens": 512}
                async with session.post(f"{url}/chat/completions", data=json.dumps(body).encode()) as reply:
                    answer = json.loads(await reply.read())
                    good += bool(answer["choices"][0]["message"]["content"])
            return good

        questions = iter(asked)
        return sum(await asyncio.gather(*(work(questions) for _ in range(AT_ONCE))))


def timed(ask: Callable[[], int]) -> tuple[float, float]:
    """Seconds and processor seconds of asking `REQUESTS` questions."""
    start, used = time.perf_counter(), time.process_time()
    good = ask()
    assert good == REQUESTS, f"only {good} of {REQUESTS} were answered"
    return time.perf_counter() - start, time.process_time() - used


def row(name: str, taken: list[tuple[float, float]]) -> None:
    """The median round, and the slowest and the fastest."""
    ideal = AT_ONCE / LATENCY
    rates = sorted(REQUESTS / seconds for seconds, _ in taken)
    middle, used = statistics.median(rates), statistics.median(used for _, used in taken)
    span = f"{rates[0] / ideal:.1%} to {rates[-1] / ideal:.1%}"
    print(f"| {name} | {middle:.0f} | {middle / ideal:.1%} | {span} | {used / REQUESTS * 1e3:.2f} |")


def rate(folder: Path, core: int | None) -> None:
    """Requests a second, beside what latency and limit allow and a bare client reaches; then the same again."""
    database = Database(folder / "rate")
    alone, ours = [], []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with server_process(folder, core) as url:
        config = ChatConfig(name="rate", base_url=url, model="tiny", max_concurrency=AT_ONCE)
        chat = ChatService(config, database, folder / "rate")

        def through_the_door(asked: list[ChatRequest]) -> int:
            return sum(isinstance(answer, ChatReply) for answer in chat.ask(asked))

        # What is imported is imported once a process, not once a request.
        through_the_door(requests(AT_ONCE, "warm"))
        asyncio.run(bare(url, requests(AT_ONCE, "warm")))
        for number in range(ROUNDS):
            asked = requests(REQUESTS, str(number))
            alone.append(timed(lambda asked=asked: asyncio.run(bare(url, asked))))  # type: ignore[misc]
            ours.append(timed(lambda asked=asked: through_the_door(asked)))  # type: ignore[misc]
        found = totals(database, "rate")
        start = time.perf_counter()
        through_the_door(asked)
        again = time.perf_counter() - start
        calls = totals(database, "rate").attempts - found.attempts
        chat.close()
    database.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    served = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"\n{REQUESTS} requests, {AT_ONCE} at once, {LATENCY * 1e3:.0f} ms; {ROUNDS} rounds in turn")
    print("| | answers/s | of the ideal | slowest to fastest | processor ms a request |\n|---|--:|--:|--:|--:|")
    print(f"| ideal | {AT_ONCE / LATENCY:.0f} | 100% | | |")
    row("bare aiohttp client", alone)
    row("polysee", ours)
    print(f"the server itself: {served / (2 * ROUNDS * REQUESTS) * 1e3:.2f} processor ms a request")
    refused = found.outcomes.get("rate-limited", 0)
    print(f"requests {found.attempts - AT_ONCE}, refused as too many at once: {refused}")
    print(f"second run: {calls} calls, {REQUESTS / again:,.0f} answers/s through `ask`")


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


def main() -> None:
    """Everything, in a folder that is thrown away."""
    parser = argparse.ArgumentParser(description="How fast and how sparing the services' door is.")
    parser.add_argument("--client", type=int, help="core of this process")
    parser.add_argument("--server", type=int, help="core of the server")
    cores = parser.parse_args()
    if cores.client is not None:
        os.sched_setaffinity(0, {cores.client})
    print("load of the machine: " + " ".join(f"{load:.1f}" for load in os.getloadavg()))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lookups(folder)
        killed(folder)
        rate(folder, cores.server)


if __name__ == "__main__":
    main()
