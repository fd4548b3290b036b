"""What every metric is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["official", "multilingual"]
Value = float | bool | str | list[float] | None


@dataclass(frozen=True, slots=True)
class Call:
    """The circumstances of one computation. ``language``: BCP-47; ``options``: of multiple-choice questions."""

    language: str = "en"
    mode: Mode = "multilingual"
    options: Sequence[Any] | None = None

    @property
    def official(self) -> bool:
        """Whether the benchmark's own code is to be reproduced."""
        return self.mode == "official"


Metric = Callable[[Any, Any, Call], Value]
"""Takes the prediction, the references and the call; what they are depends on the metric."""


def texts(references: Any) -> list[str]:
    """References as a list, whether one was given or several."""
    return [references] if isinstance(references, str) else [str(reference) for reference in references]


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean. Raises `ValueError` where there is nothing to average."""
    if not values:
        raise ValueError("a mean needs at least one value")
    return float(sum(values) / len(values))
