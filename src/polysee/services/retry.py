"""What may go wrong with one attempt, whether it may pass, and how long to wait before the next one."""

from __future__ import annotations

import math
import random
import time
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 60.0
LONGEST_OBEYED = 600.0
"""Seconds: of our own back-off, and of a service's ``Retry-After``."""


class Fault(Exception):
    """One attempt that brought no answer.

    ``reason``: a slug (``rate-limited``). ``passing``: whether another try may do better. ``billed``: whether the
    service may charge for it. ``retry_after``: seconds that the service asks to wait, or 0. ``outage``: whether the
    service could not be reached at all. ``tokens``: in and out, where the reply told them.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        passing: bool = True,
        billed: bool = False,
        retry_after: float = 0.0,
        outage: bool = False,
        tokens: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.passing = passing
        self.billed = billed
        self.retry_after = retry_after
        self.outage = outage
        self.tokens = tokens


def wait_before(attempt: int, base: float, retry_after: float = 0.0) -> float:
    """Seconds before try number ``attempt`` + 1 (the first is 1): exponential with full jitter, and never less than
    what the service asked for."""
    longest = min(base * 2.0 ** (attempt - 1), LONGEST_WAIT)
    # At least half of it, so that the tries of one request spread out over time as well as those of many.
    return max(random.uniform(longest / 2, longest), min(retry_after, LONGEST_OBEYED) * random.uniform(1.0, 1.05))


def parse_retry_after(text: str | None) -> float:
    """Seconds of a ``Retry-After`` header, a number or an HTTP date; 0 where it says nothing that can be read."""
    if not text:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
