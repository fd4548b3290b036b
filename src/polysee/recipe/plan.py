"""What a run will take, as far as it can be known before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from polysee.recipe.models import Recipe
from polysee.schema.errors import UserError
from polysee.store.atomic import write_json

RATES_FILE = "rates.json"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one step. None = unknown until it ran.

    ``rows``: that it leaves behind. ``tokens`` and ``tiles``: that pass through the model. ``bytes``: on disk.
    ``seconds``: on this machine. ``at_most``: the numbers are upper bounds.
    """

    rows: int | None = None
    tokens: int | None = None
    tiles: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """What a step took when it last ran: ``seconds`` for this many rows, tokens and tiles (None: not counted)."""

    seconds: float
    rows: int | None = None
    tokens: int | None = None
    tiles: int | None = None


@runtime_checkable
class Sized(Protocol):
    """A source that can tell, before it is read, how many records it has at most."""

    def estimate(self) -> int: ...


def estimate(recipe: Recipe, rates: Mapping[str, Rate] | None = None) -> dict[str, Estimate]:
    """An `Estimate` for each step by its name (``pack-<stage>``, ``train-<stage>``, ``tokenizer``, ``encoder``,
    ``evaluate`` and ``report`` for those that have no name of their own in the recipe).

    Sources are opened, which may raise `UserError` for a missing file. The training bounds are exact arithmetic on
    budgets: steps x packs per step x budget of a pack.
    """
    found: dict[str, Estimate] = {}
    for source in recipe.sources:
        found[source.name] = _source(source.implementation()(source.parsed_params(), seed=recipe.seed))
    sizes = [found[source.name].rows for source in recipe.sources]
    data = Estimate() if None in sizes else Estimate(rows=sum(size or 0 for size in sizes), at_most=True)
    for transform in recipe.transforms:
        # One sample may become none or many, and only the transform knows.
        found[transform.name] = data = Estimate()
    for name in [*(score.name for score in recipe.scores), *(select.name for select in recipe.select)]:
        found[name] = data
    if recipe.tokenizer is not None:
        found["tokenizer"] = Estimate()
    if recipe.encoder is not None:
        seen = recipe.encoder.steps * recipe.encoder.batch
        found["encoder"] = Estimate(tiles=seen)
    for stage in recipe.stages:
        packs = stage.steps * stage.packs_per_step
        tokens, tiles = packs * stage.max_tokens, packs * stage.max_tiles
        found[f"pack-{stage.name}"] = Estimate()
        found[f"train-{stage.name}"] = Estimate(tokens=tokens, tiles=tiles, at_most=True)
    if recipe.evaluate is not None:
        found["evaluate"] = Estimate()
    found["report"] = Estimate()
    return {name: _timed(size, (rates or {}).get(name)) for name, size in found.items()}


def total_seconds(estimates: Mapping[str, Estimate]) -> float | None:
    """The sum of all seconds, or None where one of them is unknown."""
    seconds = [step.seconds for step in estimates.values()]
    return None if None in seconds else sum(second for second in seconds if second is not None)


def read_rates(run_path: Path) -> dict[str, Rate]:
    """What the steps of an earlier run took (``rates.json``); empty where there was none. Raises `UserError`."""
    path = run_path / RATES_FILE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: Rate(**rate) for name, rate in content["steps"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        fix = "delete the file: it only serves estimates"
        raise UserError(f"this is no file of rates ({type(error).__name__})", fix, place=str(path)) from None


def write_rates(run_path: Path, rates: Mapping[str, Rate]) -> None:
    """Add ``rates`` to the run's ``rates.json``, replacing those of the same steps; atomic."""
    merged = {**read_rates(run_path), **rates}
    write_json(run_path / RATES_FILE, {"steps": {name: asdict(rate) for name, rate in merged.items()}})


def _source(source: object) -> Estimate:
    if not isinstance(source, Sized):
        return Estimate()
    return Estimate(rows=source.estimate(), at_most=True)


def _timed(size: Estimate, rate: Rate | None) -> Estimate:
    """``size`` with seconds scaled from the last run, by the most telling count that both have."""
    if rate is None:
        return size
    for unit in ("tokens", "tiles", "rows"):
        then, now = cast("int | None", getattr(rate, unit)), cast("int | None", getattr(size, unit))
        if then and now is not None:
            return replace(size, seconds=rate.seconds * now / then)
    # Nothing to scale by: most likely it takes what it took.
    return replace(size, seconds=rate.seconds)
