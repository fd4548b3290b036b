"""Opens a recipe's sources for a plan, which can do without files that are not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polysee.recipe.models import SourceConfig
from polysee.schema.errors import MissingData
from polysee.sources.base import Expected, Foreseeable


@dataclass(frozen=True, slots=True)
class Opened:
    """``source``: an instance, or None where its files are not there; ``missing`` then says which.

    ``expected``: what is known without files; None for sources that cannot tell.
    """

    source: Any
    expected: Expected | None
    missing: MissingData | None = None

    @property
    def licence(self) -> str:
        """Of the source, or what is known of it; "" if nothing is."""
        if self.source is not None:
            return getattr(self.source, "licence", "") or ""
        return self.expected.licence if self.expected is not None else ""


def open_source(config: SourceConfig, seed: int) -> Opened:
    """Raises `UserError` for what is wrong, and `MissingData` for files without which nothing is known."""
    kind, params = config.implementation(), config.parsed_params()
    expected = kind.expected(params) if isinstance(kind, Foreseeable) else None
    try:
        return Opened(kind(params, seed=seed), expected)
    except MissingData as missing:
        if expected is None:
            raise
        return Opened(None, expected, missing)
