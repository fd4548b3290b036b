"""Two hundred people answer a survey at once, over real HTTP: how long each request takes, and that no vote is lost.

    python benchmarks/survey.py [--people 200] [--questions 10] [--think 2] [--cores 2] [--out survey.json]

`polysee survey serve` runs in a process of its own, with a question set of pictures and three answers each. Every
simulated respondent has a connection of their own and does what a browser does: open the link, agree, then for each
question get the page and its picture, think, and send the vote. They all start within one thinking time. ``--think``:
mean seconds between a page and its vote, uniform between half and one and a half of it; people take ten times as long,
and 0 is the most that can be asked of the server. With ``--cores 1`` respondents and server share one core; with 2 each
has its own. A latency is from the first byte sent to the last one received, waiting for the core included.
``server_cpu_ms`` is the processor time that a request costs the server, whatever else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

MODELS = 3


@dataclass
class Clock:
    """Latencies in seconds, by what was asked."""

    taken: dict[str, list[float]] = field(default_factory=dict)
    refused: int = 0

    def add(self, kind: str, seconds: float) -> None:
        self.taken.setdefault(kind, []).append(seconds)


@dataclass
class Person:
    """One respondent with a connection of their own."""

    port: int
    token: str
    clock: Clock
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, kind: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str, bytes]:
        """Status, where to go next, and the body."""
        start = time.perf_counter()
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.reader is not None
        body = urlencode(form).encode() if form is not None else b""
        head = f"{'GET' if form is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        if not path.startswith("/t/"):
            head += f"Cookie: survey={self.token}\r\n"
        if form is not None:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
        data = await self.reader.readexactly(int(length[1])) if length else b""
        self.clock.add(kind, time.perf_counter() - start)
        status = int(answer.split(b" ", 2)[1])
        self.clock.refused += status >= 400
        where = re.search(rb"\r\nlocation: ([^\r\n]*)", answer, re.IGNORECASE)
        return status, where[1].decode() if where else "", data

    async def answer(self, think: float, seed: int) -> int:
        """The whole survey; how many votes the server has said that it keeps."""
        rng = random.Random(seed)
        await asyncio.sleep(rng.uniform(0, think))
        await self.ask("page", f"/t/{self.token}")
        await self.ask("page", "/welcome")
        await asyncio.sleep(rng.uniform(0.5, 1.5) * think)
        await self.ask("begin", "/welcome", {"language": "ar", "country": "EG", "dialect": "", "agree": "1"})
        _, where, _ = await self.ask("page", "/")
        kept = 0
        while where.startswith("/question"):
            _, _, page = await self.ask("page", where)
            for picture in re.findall(rb'src="(/picture/[^"]*)"', page):
                await self.ask("picture", picture.decode())
            await asyncio.sleep(rng.uniform(0.5, 1.5) * think)
            status, where, _ = await self.ask("vote", where, {"best-overall": str(rng.randrange(MODELS))})
            kept += status == 303
        await self.ask("page", "/last")
        await self.ask("vote", "/last", {"comfort": "fine", "comment": ""})
        if self.writer is not None:
            self.writer.close()
        return kept


def make_survey(folder: Path, questions: int) -> None:
    """Pictures of 1,024 by 768 pixels with some detail in them, and answers in Arabic."""
    from PIL import Image

    from polysee.survey.build import Choice, build

    rng = np.random.default_rng(1)
    sources = {}
    for model in range(MODELS):
        lines = []
        for number in range(questions):
            line = {"id": f"q{number}", "answer": f"إجابة النموذج {model} عن السؤال {number}"}
            if model == 0:
                small = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
                Image.fromarray(small).resize((1024, 768)).save(folder / f"{number}.png")
                line |= {"question": f"ماذا ترى في الصورة {number}؟", "language": "ar", "reference": "مشهد ملوّن"}
                line["image"] = f"{number}.png"
            lines.append(json.dumps(line, ensure_ascii=False))
        sources[f"model{model}"] = folder / f"{model}.jsonl"
        sources[f"model{model}"].write_text("\n".join(lines), encoding="utf-8")
    build(folder / "survey", sources, {"languages": ("ar", "en")}, Choice(count=None))


def start_server(folder: Path, port: int, core: int | None) -> subprocess.Popen[bytes]:
    """Once it answers."""
    command = [sys.executable, "-m", "polysee.cli.main", "survey", "serve", str(folder), "--port", str(port)]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return server
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not answer")


def processor_time(process: int) -> float:
    """Seconds that a process has used so far, on all cores, in its own code and in the kernel's."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def crowd(port: int, tokens: list[str], think: float) -> tuple[Clock, int, float]:
    """Everybody at once: latencies, votes that the server has confirmed, seconds in all."""
    clock = Clock()
    start = time.perf_counter()
    people = [Person(port, token, clock).answer(think, seed) for seed, token in enumerate(tokens)]
    kept = sum(await asyncio.gather(*people))
    return clock, kept, time.perf_counter() - start


def figures(clock: Clock, seconds: float) -> dict[str, object]:
    """Milliseconds by kind of request, and how many there were."""
    kinds = {**clock.taken, "all": [one for taken in clock.taken.values() for one in taken]}
    table: dict[str, object] = {}
    for kind, taken in kinds.items():
        p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
        worst = max(taken) * 1000
        table[kind] = {"n": len(taken), "p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "max_ms": round(worst, 1)}
    return {"kinds": table, "seconds": round(seconds, 2), "per_second": round(len(kinds["all"]) / seconds)}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--questions", type=int, default=10)
    parser.add_argument("--think", type=float, default=2.0)
    parser.add_argument("--cores", type=int, choices=(1, 2), default=2)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    return parser.parse_args()


def main() -> None:
    """Run the crowd and print what it met."""
    from polysee.survey.results import results
    from polysee.survey.votes import add_tokens

    options = arguments()
    allowed = sorted(os.sched_getaffinity(0))
    mine = allowed[-1]
    others = allowed[0] if options.cores == 2 and len(allowed) > 1 else mine
    os.sched_setaffinity(0, {mine})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_survey(folder, options.questions)
        tokens = add_tokens(folder / "survey", options.people)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        server = start_server(folder / "survey", port, others)
        try:
            before = processor_time(server.pid)
            clock, kept, seconds = asyncio.run(crowd(port, tokens, options.think))
            used = processor_time(server.pid) - before
        finally:
            server.kill()
            server.wait()
        stored = results(folder / "survey")
    found = figures(clock, seconds)
    report = {
        "people": options.people,
        "questions": options.questions,
        "think_s": options.think,
        "cores": 2 if others != mine else 1,
        "python": platform.python_version(),
        "votes_confirmed": kept,
        "votes_stored": stored.votes,
        "refused": clock.refused,
        "server_cpu_ms": round(used * 1000 / sum(map(len, clock.taken.values())), 2),
        **found,
    }
    print(json.dumps(report, indent=1))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if stored.votes < kept:
        raise SystemExit(f"{kept - stored.votes} votes that were confirmed are not stored")


if __name__ == "__main__":
    main()
