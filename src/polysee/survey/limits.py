"""How much one visitor may ask for: token buckets that fill up steadily, and a cap on what is sent to us."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_VISITORS = 20_000
"""Buckets kept; the ones unused for longest go first, and a bucket that is gone is a full one."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``burst`` requests at once, and ``rate`` more a second."""

    burst: float
    rate: float


VISITOR = Limit(60, 10)
"""Of one respondent, with a token that we know."""
STRANGER = Limit(120, 20)
"""Of one address, without such a token: a class may well sit behind a single one."""
GUESS = Limit(20, 0.5)
"""Of one address, for tokens that we do not know and passwords that are wrong."""


class Limiter:
    """Counts by name. ``clock``: seconds, never running backwards."""

    def __init__(self, limit: Limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, name: str, cost: float = 1.0) -> bool:
        """Whether ``name`` may go on; takes ``cost`` from its bucket if so."""
        now = self._clock()
        left, then = self._left.pop(name, (self._limit.burst, now))
        left = min(self._limit.burst, left + (now - then) * self._limit.rate)
        allowed = left >= cost
        self._left[name] = (left - cost if allowed else left, now)
        if len(self._left) > MOST_VISITORS:
            self._left.popitem(last=False)
        return allowed

    def exhausted(self, name: str) -> bool:
        """Whether ``name`` has nothing left; takes nothing."""
        left, then = self._left.get(name, (self._limit.burst, self._clock()))
        return left + (self._clock() - then) * self._limit.rate < 1.0
