"""What a step has to do with services: which it uses, that they are there, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from polysee.services.config import ServiceConfig
from polysee.services.ledger import Totals
from polysee.services.open import FOLDER, Services, ServicesSpec
from polysee.services.use import used_names


@dataclass(frozen=True)
class StepServices:
    """The services of a recipe, as one step sees them. ``kind``: the step's registered class."""

    configs: tuple[ServiceConfig, ...]
    kind: Any
    params: Mapping[str, JsonValue]

    @property
    def names(self) -> tuple[str, ...]:
        """The services that the step's parameters name, each once."""
        return tuple(dict.fromkeys(name for _, name, _ in used_names(self.kind, self.params)))

    def parameters(self) -> dict[str, JsonValue]:
        """Their part of the step's parameters: models and what they are asked with, no addresses, limits or prices."""
        services = Services(self.configs, None)
        return {"services": {name: services.identity(name) for name in self.names}} if self.names else {}

    def spec(self, run_path: Path | None = None) -> ServicesSpec:
        """The services as plain data. ``run_path``: the run's folder; `None` where nothing is going to be asked."""
        if not self.names:
            return ServicesSpec()
        return ServicesSpec.of(self.configs, run_path.parent / FOLDER if run_path is not None else None)

    def probe(self, run_path: Path) -> list[Totals]:
        """Make sure that they can be used, and return what they did so far. Raises `UserError`."""
        if not self.names:
            return []
        services = self.spec(run_path).open()
        before = services.totals(self.names)
        services.probe(self.names)
        return before

    def summary(self, run_path: Path, before: Sequence[Totals]) -> str:
        """What they did since `probe`, with a leading separator; "" for a step without services."""
        if not self.names:
            return ""
        earlier = {one.service: one for one in before}
        after = self.spec(run_path).open().totals(self.names)
        fresh = [one.since(earlier.get(one.service, Totals(one.service))) for one in after]
        return "".join(f"; {one.line()}" for one in fresh if one.attempts or one.hits)
