"""Counts of one step by language, from which its rows of the funnel are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from polysee.schema.config import Config
from polysee.store.manifest import FunnelRow

Kind = Literal["in", "out", "made", "unknown", "failed"]


class Count(Config):
    """``n`` samples of a language with one fate; ``reason`` only where they were dropped."""

    language: str
    fate: str
    n: int
    reason: str = ""


class Tally:
    """Counts that add up. `add` and `drop` count; `rows` gives the funnel and checks that nothing leaked."""

    def __init__(self, counts: Iterable[Count] = ()) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self.merge(counts)

    def add(self, language: str, fate: Kind, n: int = 1) -> None:
        self._counts[language, fate, ""] += n

    def drop(self, language: str, reason: str, n: int = 1) -> None:
        self._counts[language, "dropped", reason] += n

    def merge(self, counts: Iterable[Count]) -> None:
        """Add what another process counted."""
        for count in counts:
            self._counts[count.language, count.fate, count.reason] += count.n

    def counts(self) -> tuple[Count, ...]:
        """All counts, in a fixed order."""
        return tuple(
            Count(language=language, fate=fate, n=n, reason=reason)
            for (language, fate, reason), n in sorted(self._counts.items())
            if n
        )

    def total(self, fate: Kind | Literal["dropped"]) -> int:
        """The sum over all languages."""
        return sum(n for (_, found, _), n in self._counts.items() if found == fate)

    def reasons(self) -> Counter[str]:
        """How many were dropped for each reason, over all languages."""
        found: Counter[str] = Counter()
        for (_, fate, reason), n in self._counts.items():
            if fate == "dropped":
                found[reason] += n
        return found

    def rows(self, step: str, verb: str) -> tuple[FunnelRow, ...]:
        """One row a language, sorted. Raises `ValueError` where a sample is unaccounted for."""
        return tuple(self._row(step, verb, language) for language in sorted({key[0] for key in self._counts}))

    def _row(self, step: str, verb: str, language: str) -> FunnelRow:
        dropped = {
            reason: n for (of, fate, reason), n in self._counts.items() if of == language and fate == "dropped" and n
        }
        made = self._counts[language, "made", ""]
        out = self._counts[language, "out", ""]
        return FunnelRow(
            step=step,
            verb=verb,
            language=language,
            in_=self._counts[language, "in", ""],
            out=out,
            dropped=tuple(sorted(dropped.items())),
            unknown=self._counts[language, "unknown", ""],
            failed=self._counts[language, "failed", ""],
            made=made if verb == "transform" else None,
        )
