"""The event loop on which requests travel: one thread a process, under an interface without ``async``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from functools import lru_cache
from typing import Any, TypeVar

Result = TypeVar("Result")


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="services-loop", daemon=True).start()
    return loop


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run ``work`` on the loop's thread and wait for it. Ctrl-C cancels it, and waits until it has cleaned up.

    Raises `RuntimeError` on the loop's own thread, which cannot wait for itself: a check of answers asks no service.
    """
    if asyncio._get_running_loop() is _loop():
        work.close()
        raise RuntimeError("a check of answers cannot ask a service itself")
    ended = threading.Event()

    async def guarded() -> Result:
        try:
            return await work
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(guarded(), _loop())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        ended.wait(5)
        raise
