"""Which services a registered part of a recipe uses, by its declaration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from polysee.services.config import Role

Place = tuple[str | int, ...]
"""The way from a step's parameters to one that names a service."""


def service_kinds(kind: Any) -> Mapping[str, Role]:
    """Parameters of a class that name services, with what they must be: its ``service_kinds``, if it has any."""
    found: Mapping[str, Role] = getattr(kind, "service_kinds", {})
    return found


def used_names(kind: Any, params: Mapping[str, JsonValue]) -> Iterator[tuple[Place, str, Role]]:
    """Each name of a service in ``params``, or in the defaults of the class, with its place and the role it plays."""
    for field, role in service_kinds(kind).items():
        value: Any = params[field] if field in params else kind.Params.model_fields[field].default
        if isinstance(value, str):
            yield (field,), value, role
        elif isinstance(value, list | tuple):
            yield from (((field, index), name, role) for index, name in enumerate(value) if isinstance(name, str))
