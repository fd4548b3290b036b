"""The recipe's ``mix`` section."""

from __future__ import annotations

from pydantic import Field

from polysee.schema.config import Config


class MixConfig(Config):
    """``temperature`` T samples languages in proportion to share ** (1 / T): 1 keeps the shares, larger evens them."""

    temperature: float = Field(default=1.0, ge=1.0, le=100.0)
