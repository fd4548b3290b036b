"""What a run will take, as far as it can be known before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from polysee.recipe.models import Recipe, SourceConfig, TransformConfig
from polysee.recipe.opening import open_source
from polysee.schema.errors import MissingData, UserError
from polysee.store.atomic import write_json
from polysee.transforms.forecast import Counts, Forecast, SampleKind

RATES_FILE = "rates.json"

ROW_BYTES = 130
"""Of a sample in Lance, its media left out; measured on the microworld, whose 103,468 samples take 11 MB as they are
read and 14 MB more when they are instructed (the version before stays). Long texts take several times as much."""
_CELL_BYTES = 8
_ENTRY_BYTES = 80
"""Of a tokenizer's entry in ``tokenizer.json``, measured on 8,192 of them in 24 languages."""
_WEIGHT_BYTES = 4
"""Checkpoints hold float32."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one step. None = unknown until it ran.

    ``rows``: that it leaves behind. ``tokens`` and ``tiles``: that pass through the model. ``bytes``: about what it
    adds to the disk. ``seconds``: on this machine. ``at_most``: rows, tokens and tiles are upper bounds. ``requests``:
    to its services, about; ``request_tokens``: of one of them, and of its reply. ``missing``: files that are not there.
    """

    rows: int | None = None
    tokens: int | None = None
    tiles: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    at_most: bool = False
    requests: int | None = None
    request_tokens: tuple[int, int] = (0, 0)
    missing: MissingData | None = None


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


@runtime_checkable
class Weighed(Protocol):
    """A source that can tell, before it is read, about how many bytes its media have."""

    def media_bytes(self) -> int: ...


def estimate(recipe: Recipe, rates: Mapping[str, Rate] | None = None) -> dict[str, Estimate]:
    """An `Estimate` for each step by its name (``pack-<stage>``, ``train-<stage>``, ``tokenizer``, ``encoder``,
    ``evaluate`` and ``report`` for those that have no name of their own in the recipe).

    Sources are opened. Of one whose files are not there the estimate is what it expects, or else `UserError` is raised.
    The training bounds are exact arithmetic on budgets: steps x packs per step x budget of a pack.
    """
    found: dict[str, Estimate] = {}
    counts: Counts | None = {}
    for source in recipe.sources:
        kind, found[source.name] = _source(source, recipe.seed)
        size = found[source.name].rows
        counts = None if counts is None or size is None else {**counts, kind: counts.get(kind, 0) + size}
    for transform in recipe.transforms:
        found[transform.name], counts = _transform(transform, counts)
    rows = None if counts is None else sum(counts.values())
    for score in recipe.scores:
        found[score.name] = _data(rows, _CELL_BYTES * len(score.implementation().outputs))
    for select in recipe.select:
        found[select.name] = _data(rows, 1)
    found |= _trained(recipe)
    if recipe.evaluate is not None:
        found["evaluate"] = Estimate()
        if recipe.evaluate.checkpoints == "all":
            found["evaluate-checkpoints"] = Estimate()
        if recipe.evaluate.judge is not None:
            found["judge"] = Estimate()
    found["report"] = Estimate()
    return {name: _timed(size, (rates or {}).get(name)) for name, size in found.items()}


def _source(config: SourceConfig, seed: int) -> tuple[SampleKind, Estimate]:
    opened = open_source(config, seed)
    known, missing = opened.expected, opened.missing
    languages = known.languages if known is not None else getattr(config.parsed_params(), "languages", ())
    one = languages[0] if isinstance(languages, tuple) and len(languages) == 1 else ""
    kind = SampleKind(known.task, one, known.split, known.dataset) if known is not None else SampleKind(language=one)
    try:
        if opened.source is not None:
            return kind, _measured(opened.source)
    except MissingData as error:
        # Some sources look for their further files only when they read.
        if known is None:
            raise
        missing = error
    assert known is not None
    return kind, replace(_data(known.rows, ROW_BYTES, None), missing=missing)


def _measured(source: object) -> Estimate:
    if not isinstance(source, Sized):
        return Estimate()
    return _data(source.estimate(), ROW_BYTES, source.media_bytes() if isinstance(source, Weighed) else None)


def _transform(config: TransformConfig, counts: Counts | None) -> tuple[Estimate, Counts | None]:
    """What a transform leaves: as it foresees, or as its ``expansion`` says; only it knows what one sample becomes."""
    implementation = config.implementation()
    foresee = getattr(implementation, "forecast", None)
    if counts is None:
        return Estimate(), None
    if foresee is not None:
        seen: Forecast = foresee(config.parsed_params(), counts)
        rows = sum(seen.counts.values())
        made = _data(rows, ROW_BYTES, None if seen.media else 0)
        return replace(made, requests=seen.requests, request_tokens=seen.tokens), seen.counts
    expansion: int | None = getattr(implementation, "expansion", None)
    if expansion is None:
        return Estimate(), None
    after = {kind: number * expansion for kind, number in counts.items()}
    return _data(sum(after.values()), ROW_BYTES), after


def _data(rows: int | None, row_bytes: int, more: int | None = 0) -> Estimate:
    """``row_bytes`` for each of ``rows`` and ``more`` bytes on top."""
    if rows is None:
        return Estimate()
    return Estimate(rows=rows, bytes=None if more is None else rows * row_bytes + more, at_most=True)


def _trained(recipe: Recipe) -> dict[str, Estimate]:
    """Tokenizer, encoder, plans and stages. What a stage writes while it runs, to go on after a kill, is gone at its
    end: up to two checkpoints of three times its weights each."""
    found: dict[str, Estimate] = {}
    if recipe.tokenizer is not None:
        found["tokenizer"] = Estimate(bytes=recipe.tokenizer.vocabulary * _ENTRY_BYTES)
    if recipe.encoder is not None:
        weights = recipe.model.vision.parameters * _WEIGHT_BYTES if recipe.model else None
        found["encoder"] = Estimate(tiles=recipe.encoder.steps * recipe.encoder.batch, bytes=weights)
    model = None
    if recipe.model is not None and recipe.tokenizer is not None:
        model = recipe.model.parameters(recipe.tokenizer.vocabulary) * _WEIGHT_BYTES
    for stage in recipe.stages:
        packs = stage.steps * stage.packs_per_step
        tokens, tiles = packs * stage.max_tokens, packs * stage.max_tiles
        found[f"pack-{stage.name}"] = Estimate()
        found[f"train-{stage.name}"] = Estimate(tokens=tokens, tiles=tiles, bytes=model, at_most=True)
    return found


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
