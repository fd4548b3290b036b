"""A pool of spawned processes that work on units and die with their parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol, TypeVar

from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.store.atomic import write_points

Result = TypeVar("Result", bound=Config, covariant=True)
Claim = Callable[[Sequence[str]], Sequence[bool]]

_PR_SET_PDEATHSIG = 1
_REPORT_SECONDS = 0.2


class Link(Protocol):
    """What a job can say to the engine while it works."""

    def claim(self, sha256: Sequence[str]) -> Sequence[bool]:
        """For each hash of a medium, whether this job shall write it (nobody else has it or was told to)."""
        ...

    def advance(self, n: int) -> None:
        """``n`` more records or rows are done."""
        ...


class Job(Protocol[Result]):
    """A unit of work as plain data. It goes to another process, so it holds names and parameters, never code."""

    @property
    def unit(self) -> str:
        """The name of the unit, for messages."""
        ...

    def run(self, link: Link) -> Result: ...


class WorkerFailed(RuntimeError):
    """A defect inside a worker: names the unit and holds the worker's traceback."""


@dataclass(frozen=True, slots=True)
class _Claims:
    sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Advanced:
    n: int


@dataclass(frozen=True, slots=True)
class _Done:
    result: Config


@dataclass(frozen=True, slots=True)
class _Refused:
    error: UserError


@dataclass(frozen=True, slots=True)
class _Broken:
    trace: str


class _Worker:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=serve, args=(theirs, os.getpid()), daemon=True)
        self.process.start()
        # Without our copy of its end, the death of the worker reads as the end of the stream.
        theirs.close()
        self.job: tuple[int, Job[Config]] | None = None

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class WorkerPool:
    """At most ``workers`` processes, started when first needed; with 0 workers jobs run in this process.

    Use it as a context manager: leaving it ends the processes.
    """

    def __init__(self, workers: int) -> None:
        self._limit = workers
        self._workers: list[_Worker] = []

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all worker processes at once."""
        while self._workers:
            self._workers.pop().kill()

    def run(
        self,
        jobs: Sequence[tuple[int, Job[Result]]],
        done: Callable[[int, Result], None],
        *,
        claim: Claim | None = None,
        advance: Callable[[int], None] = lambda n: None,
    ) -> None:
        """Run numbered jobs; ``done(number, result)`` is called in this process as each ends, in no fixed order.

        As many jobs are under way as there are workers. A `UserError` of a job is raised here; any other exception of
        one becomes `WorkerFailed`; a worker that dies becomes a `UserError` that names its unit. In all these cases the
        other workers are ended first.
        """
        link = _Inline(claim, advance)
        if self._limit == 0:
            for number, job in jobs:
                done(number, _run_here(job, link))
            return
        try:
            self._run(deque(jobs), done, link)
        except BaseException:
            self.close()
            raise

    def _run(self, queue: deque[tuple[int, Job[Result]]], done: Callable[[int, Result], None], link: _Inline) -> None:
        while queue or any(worker.job for worker in self._workers):
            self._hand_out(queue)
            busy = {worker.connection: worker for worker in self._workers if worker.job}
            for connection in wait(list(busy)):
                self._listen(busy[connection], done, link)  # type: ignore[index, arg-type]

    def _hand_out(self, queue: deque[tuple[int, Job[Result]]]) -> None:
        while queue:
            free = next((worker for worker in self._workers if worker.job is None), None)
            if free is None:
                if len(self._workers) >= self._limit:
                    return
                free = _Worker()
                self._workers.append(free)
            free.job = queue.popleft()
            free.connection.send(free.job[1])

    def _listen(self, worker: _Worker, done: Callable[[int, Config], None], link: _Inline) -> None:
        assert worker.job is not None
        number, job = worker.job
        try:
            message = worker.connection.recv()
            if isinstance(message, _Claims):
                worker.connection.send(list(link.claim(message.sha256)))
        except (EOFError, ConnectionError):
            raise _death(worker, job.unit) from None
        match message:
            case _Advanced(n):
                link.advance(n)
            case _Done(result):
                worker.job = None
                done(number, result)
            case _Refused(error):
                raise error
            case _Broken(trace):
                raise WorkerFailed(f"a worker failed on {job.unit}:\n{trace}")


def _run_here(job: Job[Result], link: Link) -> Result:
    try:
        return job.run(link)
    except UserError:
        raise
    except Exception as error:
        raise WorkerFailed(f"a worker failed on {job.unit}:\n{traceback.format_exc()}") from error


def _death(worker: _Worker, unit: str) -> UserError:
    worker.process.join(5)
    code = worker.process.exitcode
    how = f"exit status {code}"
    if code is not None and code < 0:
        how = f"signal {-code}, {signal.Signals(-code).name}"
    return UserError(
        f"a worker process died ({how}) while it worked on {unit}",
        "if the system ran out of memory, use fewer workers; the same command goes on from the units that are finished",
    )


@dataclass(frozen=True, slots=True)
class _Inline:
    claimed: Claim | None
    advanced: Callable[[int], None]

    def claim(self, sha256: Sequence[str]) -> Sequence[bool]:
        if self.claimed is None:
            raise RuntimeError("this kind of work stores no media")
        return self.claimed(sha256)

    def advance(self, n: int) -> None:
        self.advanced(n)


class _Remote:
    """The worker's side of `Link`. Reports of progress are gathered, so that they cost nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._gathered = 0
        self._sent = 0.0

    def claim(self, sha256: Sequence[str]) -> Sequence[bool]:
        self._connection.send(_Claims(tuple(sha256)))
        answer: Sequence[bool] = self._connection.recv()
        return answer

    def advance(self, n: int) -> None:
        self._gathered += n
        now = time.monotonic()
        if now - self._sent > _REPORT_SECONDS:
            self._sent = now
            self.flush()

    def flush(self) -> None:
        if self._gathered:
            self._connection.send(_Advanced(self._gathered))
            self._gathered = 0


def serve(connection: Connection, parent: int) -> None:
    """The life of a worker process: job after job until the parent goes away. Not for other callers."""
    _die_with(parent)
    write_points.role = "worker"
    # Ctrl-C reaches the whole process group; the parent then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = _Remote(connection)
    while True:
        try:
            job: Job[Config] = connection.recv()
        except (EOFError, ConnectionError):
            return
        answer: _Done | _Refused | _Broken
        try:
            answer = _Done(job.run(link))
        except UserError as error:
            answer = _Refused(error)
        except Exception:
            answer = _Broken(traceback.format_exc())
        link.flush()
        connection.send(answer)


def _die_with(parent: int) -> None:
    """End this process when ``parent`` ends, however that happens, so that no orphan goes on writing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    process = multiprocessing.parent_process()
    assert process is not None

    def watch() -> None:
        process.join()
        os._exit(1)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
