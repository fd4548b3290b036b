"""Progress for people: a bar with rate and remaining time on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

LINE_SECONDS = 5.0
"""The shortest time between two lines of one task where there is no terminal."""


class Task:
    """Something that is under way. ``total``: how many units it has, if that is known."""

    def __init__(self, progress: Progress, label: str, total: int | None, unit: str) -> None:
        self._progress = progress
        self._label = label
        self._unit = unit
        self.total = total
        self.done = 0
        self._items = 0
        self._item = ""
        self._note = ""
        self._start = self._shown = progress.clock()
        self._found: int | None = None

    def advance(self, n: int = 1) -> None:
        """``n`` units are done."""
        self.done += n
        self._progress.show(self)

    def set_done(self, done: int, total: int | None = None) -> None:
        """``done`` units are done in all; sets ``total`` too where it is given.

        The first call tells where the task begins, maybe where an interrupted one had come to: rates count from there.
        """
        if self._found is None:
            self._found, self._start = done, self._progress.clock()
        self.done = done
        self.total = total if total is not None else self.total
        self._progress.show(self)

    def count(self, n: int, item: str) -> None:
        """``n`` smaller things ("records") are done; their rate is shown beside the units."""
        self._items += n
        self._item = item
        self._progress.show(self)

    def note(self, text: str) -> None:
        """Something to show beside the figures, such as the loss."""
        self._note = text
        self._progress.show(self)

    @property
    def label(self) -> str:
        return self._label

    def details(self) -> str:
        """Rate and note, as one phrase."""
        seconds, done = self._spent()
        parts = []
        if self._items:
            parts.append(f"{self._items:,} {self._item} ({_rate(self._items / seconds)})")
        elif done:
            parts.append(_rate(done / seconds))
        if self._note:
            parts.append(self._note)
        return ", ".join(parts)

    def line(self) -> str:
        """The task as one line of a log."""
        of = f"/{self.total:,}" if self.total is not None else ""
        parts = [f"{self.done:,}{of} {self._unit}", self.details(), self._remaining()]
        return f"{self._label}: {', '.join(part for part in parts if part)}"

    def due(self, interval: float) -> bool:
        """Whether ``interval`` seconds have passed since the last time this was true."""
        now = self._progress.clock()
        if now - self._shown < interval:
            return False
        self._shown = now
        return True

    def _remaining(self) -> str:
        seconds, done = self._spent()
        if not self.total or not done or self.done >= self.total:
            return ""
        return f"{timedelta(seconds=round(seconds / done * (self.total - self.done)))} left"

    def _spent(self) -> tuple[float, int]:
        """Seconds since the rate is counted, and the units since then."""
        return max(self._progress.clock() - self._start, 1e-9), self.done - (self._found or 0)


class Progress:
    """Shows tasks on ``console``; `None` shows nothing (for tests and libraries)."""

    def __init__(self, console: Console | None, *, interval: float = LINE_SECONDS) -> None:
        self._console = console
        self._interval = interval
        self._bar: RichProgress | None = None
        self._bar_task: TaskID | None = None
        self._current: Task | None = None

    @staticmethod
    def clock() -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def say(self, text: str) -> None:
        """One line, now. ``text`` is plain, not rich's mark-up."""
        if self._console is not None:
            self._console.print(escape(text), highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """One line of warning, now."""
        self.say(f"warning: {text}")

    @contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        """A task that is shown while the block runs; ``unit`` is a plural ("shards", "steps"). One at a time."""
        task = Task(self, label, total, unit)
        self._current = task
        if self._console is None or not self._console.is_terminal:
            yield task
            self._current = None
            if task.done:
                self.say(task.line())
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[details]}"),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=self._console) as bar:
            self._bar, self._bar_task = bar, bar.add_task(escape(label), total=total, details="")
            try:
                yield task
            finally:
                self.show(task)
                self._bar, self._bar_task, self._current = None, None, None

    def show(self, task: Task) -> None:
        """Bring what is on the screen up to date; in a log, only if the last line is old enough."""
        if self._bar is not None and self._bar_task is not None:
            details = escape(task.details())
            self._bar.update(self._bar_task, completed=task.done, total=task.total, details=details)
        elif self._console is not None and task.due(self._interval):
            self.say(task.line())


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"
