"""A process that asks is killed without warning; the next one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from polysee.services.database import Database
from polysee.services.ledger import totals
from services.kill_child import AT_ONCE, QUESTIONS
from services.server import Server

CHILD = Path(__file__).with_name("kill_child.py")


def child(server: Server, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, CHILD, server.url, folder], stdout=subprocess.PIPE, text=True)


def test_no_committed_answer_is_asked_for_again(tmp_path: Path) -> None:
    folder = tmp_path / ".services"
    with Server(latency=0.02).running() as server:
        for until in (60, 140):
            process = child(server, folder)
            deadline = time.monotonic() + 60
            while server.posts < until and time.monotonic() < deadline:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            database = Database(folder)
            (committed,) = database.query("SELECT COUNT(*) FROM answers")[0]
            database.close()
            assert until - 2 * AT_ONCE <= committed < QUESTIONS
        last = child(server, folder)
        out, _ = last.communicate(timeout=60)
        assert out.split() == [str(QUESTIONS)]
        repeats = sum(n - 1 for n in server.questions.values())
        assert len(server.questions) == QUESTIONS
        assert repeats <= 2 * AT_ONCE
        database = Database(folder)
        found = totals(database, "writer")
        # An attempt may be entered and its process killed before a byte of it leaves.
        assert server.posts <= found.attempts <= server.posts + 2 * AT_ONCE
        assert database.query("SELECT * FROM claims") == []
        database.close()


def test_processes_that_ask_the_same_share_answers_and_slots(tmp_path: Path) -> None:
    folder = tmp_path / ".services"
    with Server(latency=0.05, limit=AT_ONCE).running() as server:
        children = [child(server, folder) for _ in range(2)]
        assert [process.communicate(timeout=120)[0].split() for process in children] == [[str(QUESTIONS)]] * 2
        assert server.posts == QUESTIONS
        assert server.most_at_once <= AT_ONCE
        database = Database(folder)
        assert totals(database, "writer").outcomes == {"answered": QUESTIONS}
        database.close()
