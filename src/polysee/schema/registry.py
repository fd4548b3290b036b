"""Closed registries of named parts, opened to other packages by entry points. Never a dotted path from a recipe."""

from __future__ import annotations

import difflib
import importlib
from importlib.metadata import entry_points
from typing import Any

from polysee.schema.errors import UserError


class Registry:
    """Maps a name in a recipe to an object that is imported only when it is asked for.

    ``kind`` names the thing for people ("source"); other packages add to the entry-point group
    ``polysee.<kind>s``. ``builtin`` maps a name to ``"module:attribute"`` inside polysee.
    """

    def __init__(self, kind: str, builtin: dict[str, str]) -> None:
        self.kind = kind
        self._builtin = builtin

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self._builtin, *(point.name for point in self._points())})

    def get(self, name: str) -> Any:
        """The object called ``name``. Raises `UserError` with the nearest names if there is none."""
        target = self._builtin.get(name)
        if target is not None:
            module, _, attribute = target.partition(":")
            return getattr(importlib.import_module(module), attribute)
        for point in self._points():
            if point.name == name:
                return point.load()
        near = difflib.get_close_matches(name, self.names(), n=3)
        fix = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known names: {', '.join(self.names())}"
        raise UserError(f"no {self.kind} is called {name!r}", fix)

    def _points(self) -> Any:
        return entry_points(group=f"polysee.{self.kind}s")
