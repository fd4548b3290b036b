"""Processes that answer units beside each other. How many there are changes nothing in the result."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

from polysee.evaluation.answering import answer_unit
from polysee.evaluation.jobs import Job
from polysee.evaluation.predictions import Prediction
from polysee.inference.backends.base import Backend
from polysee.schema.errors import UserError


class OpensBackend(Protocol):
    """Plain data that a process makes its backend of. ``number``: of the process, from 0."""

    def __call__(self, number: int) -> Backend: ...


_backend: Backend | None = None


@dataclass(frozen=True)
class Processes:
    """``count`` processes, each with a backend that ``opens`` makes there."""

    count: int
    opens: OpensBackend

    def __call__(self, units: Mapping[int, Sequence[Job]]) -> Iterator[tuple[int, list[Prediction]]]:
        """Units as they are finished. Raises `UserError` where a process died."""
        context = multiprocessing.get_context("spawn")
        numbers = context.Queue()
        for number in range(self.count):
            numbers.put(number)
        arguments = (self.opens, numbers, os.getpid())
        with ProcessPoolExecutor(self.count, context, initializer=_start, initargs=arguments) as pool:
            try:
                futures = {pool.submit(_answer, list(unit)): number for number, unit in units.items()}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BrokenProcessPool as error:
                raise UserError(
                    "a process of the evaluation died, most often for want of memory",
                    "use fewer `--processes` or a smaller `--batch`; the same command goes on where it stopped",
                ) from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _start(opens: OpensBackend, numbers: multiprocessing.Queue[int], parent: int) -> None:
    global _backend
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _backend = opens(numbers.get())


def _follow(parent: int) -> None:
    """End with the parent: one that was killed cannot say so."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _answer(unit: list[Job]) -> list[Prediction]:
    assert _backend is not None
    return answer_unit(unit, _backend)
