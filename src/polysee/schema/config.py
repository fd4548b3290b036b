"""The base of every part of a recipe: unknown keys refused, values frozen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Part of a recipe. Unknown keys are refused and instances are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
