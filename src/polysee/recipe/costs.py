"""What the services of a recipe will be asked, and what that may cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from polysee.recipe.models import Recipe
from polysee.recipe.plan import Estimate
from polysee.services.config import ServiceConfig
from polysee.services.ledger import Totals, money, read_totals
from polysee.services.use import used_names


@dataclass(frozen=True, slots=True)
class ServiceEstimate:
    """Of one step and one service. ``calls``: about; `None` if unknown. ``cost``: by what a request cost so far, or by
    the service's prices and what the step foresees of a request."""

    step: str
    config: ServiceConfig
    calls: int | None
    cost: float | None

    def line(self) -> str:
        """``paraphrase asks writer (chat, tiny): about 1,200 times, about 0.35``."""
        kind = getattr(self.config, "kind", "")
        calls = f"about {self.calls:,} times" if self.calls is not None else "how often is not known yet"
        cost = f", about {money(self.cost)}" if self.cost is not None else ""
        limit = getattr(self.config, "max_cost", None)
        budget = f", budget {money(limit)}" if limit is not None else ""
        return f"{self.step} asks {self.config.name} ({kind}, {self.config.model_name}): {calls}{cost}{budget}"


def service_estimates(recipe: Recipe, estimates: Mapping[str, Estimate], folder: Path) -> Iterator[ServiceEstimate]:
    """For each transform and score, each service that it names. ``folder``: of the ledger, which tells prices of
    earlier requests; ``estimates``: of the steps' rows."""
    configs = {config.name: config for config in recipe.services}
    known = {totals.service: totals for totals in read_totals(folder)}
    sizes = [estimates[source.name].rows for source in recipe.sources]
    rows = None if None in sizes else sum(size or 0 for size in sizes)
    for step in (*recipe.transforms, *recipe.scores):
        kind = step.implementation()
        for _, name, _ in used_names(kind, step.params):
            per_sample: float | None = getattr(kind, "calls_per_sample", 1.0)
            calls = estimates[step.name].requests
            if calls is None and rows is not None and per_sample is not None:
                calls = math.ceil(rows * per_sample)
            cost = _cost(calls, known.get(name)) or _priced(calls, configs[name], estimates[step.name].request_tokens)
            yield ServiceEstimate(step.name, configs[name], calls, cost)
        rows = estimates[step.name].rows
    if recipe.evaluate is not None and recipe.evaluate.judge is not None:
        yield ServiceEstimate("judge", configs[recipe.evaluate.judge.chat], None, None)


def _cost(calls: int | None, totals: Totals | None) -> float | None:
    if calls is None or totals is None or not totals.attempts or not totals.spent:
        return None
    return calls * totals.spent / totals.attempts


def _priced(calls: int | None, config: ServiceConfig, tokens: tuple[int, int]) -> float | None:
    prices = getattr(config, "price_in", 0.0), getattr(config, "price_out", 0.0)
    if calls is None or not any(prices) or not any(tokens):
        return None
    return calls * (tokens[0] * prices[0] + tokens[1] * prices[1]) / 1e6
