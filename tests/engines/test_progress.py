"""A bar on a terminal, a line now and then in a log, nothing without a console."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from polysee.engines.progress import LINE_SECONDS, Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(Progress, "clock", staticmethod(made))
    return made


def test_lines_in_a_log_are_few_and_tell_rate_and_rest(clock: Clock) -> None:
    text = io.StringIO()
    with Progress(Console(file=text, width=200)).task("source [demo]", 100, "shards") as task:
        for _ in range(100):
            clock.now += 0.25
            task.count(30, "records")
            task.advance()
    lines = text.getvalue().splitlines()
    assert lines[0] == "source [demo]: 19/100 shards, 600 records (120/s), 0:00:21 left"
    assert lines[-1] == "source [demo]: 100/100 shards, 3,000 records (120/s)"
    assert len(lines) == 25 / LINE_SECONDS + 1


def test_rate_below_ten_and_note(clock: Clock) -> None:
    text = io.StringIO()
    with Progress(Console(file=text, width=200)).task("train", None, "steps") as task:
        task.set_done(0)
        clock.now = 8.0
        task.set_done(4)
        task.note("loss 0.5")
    assert text.getvalue().splitlines() == ["train: 4 steps, 0.5/s", "train: 4 steps, 0.5/s, loss 0.5"]


def test_what_an_earlier_attempt_had_done_is_no_rate(clock: Clock) -> None:
    text = io.StringIO()
    with Progress(Console(file=text, width=200)).task("train", 1500, "steps") as task:
        clock.now = 2.0
        task.set_done(1000)
        clock.now = 12.0
        task.set_done(1020)
    assert text.getvalue().splitlines()[-1] == "train: 1,020/1,500 steps, 2/s, 0:04:00 left"


def test_bar_on_a_terminal() -> None:
    text = io.StringIO()
    progress = Progress(Console(file=text, force_terminal=True, width=120))
    with progress.task("score length", 4, "fragments") as task:
        task.set_done(1)
        task.advance(3)
    assert "score length" in text.getvalue()
    assert "4/4" in text.getvalue()


def test_without_console_and_after_an_error() -> None:
    text = io.StringIO()
    for console in (None, Console(file=text, force_terminal=True)):
        progress = Progress(console)
        with pytest.raises(RuntimeError), progress.task("one", 1, "units"):
            raise RuntimeError
        with progress.task("two", 1, "units") as task:
            task.advance()
        progress.say("[red]plain[/red]")
        progress.warn("careful")
    assert "[red]plain[/red]" in text.getvalue()
    assert "warning: careful" in text.getvalue()
