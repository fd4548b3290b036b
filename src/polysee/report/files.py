"""Reads what a run left behind. What is not there yet is None; what cannot be read is None and a note on the page."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polysee.evaluation.scores import Score, Seen
from polysee.schema.errors import UserError
from polysee.store.manifest import FunnelRow, Manifest, ManifestFolder

Note = Callable[[str], None]

PLAN_COLUMNS = ("pack", "sample", "tokens", "tiles")


class _Lenient(BaseModel):
    """A later version of polysee may have written further keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class MacroEntry(_Lenient):
    """A mean with the ends of its interval, 0-1."""

    value: float
    low: float
    high: float


class MacroLanguage(MacroEntry):
    """``split``: what it was measured on."""

    seen: Seen
    split: str = ""


class Macro(_Lenient):
    """The ``macro`` part of scores.json."""

    four_way: float | None = None
    four_way_low: float | None = None
    four_way_high: float | None = None
    chance: float = 0.25
    tasks: tuple[str, ...] = ()
    languages: dict[str, MacroLanguage] = Field(default_factory=dict)
    baselines: dict[str, MacroEntry] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scores:
    """scores.json."""

    rows: tuple[Score, ...]
    macro: Macro


class LanguageLoss(_Lenient):
    """``loss``: mean over ``tokens`` answer tokens of a language in a step."""

    loss: float
    tokens: float


class LogLine(_Lenient):
    """One line of train.jsonl."""

    stage: str
    step: int
    loss: float
    learning_rate: dict[str, float] = Field(default_factory=dict)
    tokens: int = 0
    answer_tokens: int = 0
    tiles: int = 0
    languages: dict[str, LanguageLoss] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """The packs of one stage. ``rows``: the columns `PLAN_COLUMNS`, one row a sample in a pack."""

    stage: str
    rows: pa.Table
    max_tokens: int
    max_tiles: int


class Worse(_Lenient):
    """A row of ``robustness`` in scores.json: of a language, of an ability, or of all questions together."""

    distortion: str
    level: int
    language: str | None
    ability: str | None
    n: int
    clean: float
    value: float
    change: float
    low: float
    high: float
    p: float


class Spot(_Lenient):
    """A mean of 0-1 and its interval."""

    value: float
    low: float
    high: float


class Curve(_Lenient):
    """A line of curves.json. ``ability`` and ``language``: None for all of them."""

    ability: str | None
    language: str | None
    chance: float | None
    points: list[Spot]


class SavedCheckpoint(_Lenient):
    """``steps``: of all stages up to then."""

    name: str
    stage: str
    steps: int


class Curves(_Lenient):
    """curves.json."""

    checkpoints: list[SavedCheckpoint] = Field(min_length=1)
    curves: list[Curve]

    @model_validator(mode="after")
    def _whole(self) -> Curves:
        if any(len(curve.points) != len(self.checkpoints) for curve in self.curves):
            raise ValueError("a curve has not as many points as there are checkpoints")
        return self


@dataclass(frozen=True, slots=True)
class Measured:
    """What one evaluation has beside scores. ``name``: "" for the recipe's, else that of its folder below ``eval``."""

    name: str
    worse: tuple[Worse, ...]
    curves: Curves | None


@dataclass(frozen=True)
class RunFiles:
    """The small files of a run. ``notes``: what could not be read, in words for a person."""

    path: Path
    recipe: dict[str, Any]
    recipe_text: str | None
    manifests: tuple[Manifest, ...]
    funnel: tuple[FunnelRow, ...] | None
    scores: Scores | None
    log: tuple[LogLine, ...] | None
    plans: tuple[Plan, ...]
    measured: tuple[Measured, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The recipe's name, or the folder's."""
        return str(self.recipe.get("name") or self.path.resolve().name)

    @property
    def stages(self) -> list[str]:
        """Names of the stages in the recipe's order."""
        return [str(entry["name"]) for entry in self.entries("stages") if "name" in entry]

    def entries(self, section: str) -> list[dict[str, Any]]:
        """The mappings of one of the recipe's lists."""
        listed = self.recipe.get(section)
        return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []

    @property
    def data_only(self) -> bool:
        """Whether the recipe makes data and nothing else: no model is trained, and none was measured."""
        trains = any(self.recipe.get(section) for section in ("stages", "encoder"))
        return bool(self.entries("sources")) and not (trains or self.scores or self.log or self.plans)

    @property
    def gallery(self) -> int:
        """How many samples the gallery shows; 24 where the recipe does not say."""
        section = self.recipe.get("report")
        wanted = section.get("gallery") if isinstance(section, dict) else None
        return wanted if isinstance(wanted, int) and wanted >= 0 else 24


def read_run(path: Path) -> RunFiles:
    """Everything but the Lance datasets. Raises `UserError` if ``path`` is no run folder."""
    if not (path / "recipe.yaml").is_file() and not (path / "steps").is_dir():
        raise UserError("this is not a run folder", "name a folder that `polysee run` has made", place=str(path))
    notes: list[str] = []
    text, recipe = _recipe(path / "recipe.yaml", notes.append)
    manifests = ManifestFolder(path / "steps", lambda line: notes.append(line.replace(f"{path}/", ""))).all()
    stages = [str(s.get("name")) for s in recipe.get("stages") or [] if isinstance(s, dict)]
    return RunFiles(
        path=path,
        recipe=recipe,
        recipe_text=text,
        # The report's own step is finished after the page is: naming it would make the next page another one.
        manifests=tuple(m for m in manifests if m.verb != "report" and m.name != "report"),
        funnel=_funnel(path / "funnel.json", notes.append),
        scores=_scores(path / "scores.json", notes.append),
        log=_log(path / "train.jsonl", notes.append),
        plans=tuple(_plans(path / "plans", stages, notes.append)),
        measured=tuple(_measured(path, notes.append)),
        notes=notes,
    )


def _text(path: Path, note: Note) -> str | None:
    if not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        note(f"{path.name} cannot be read ({type(error).__name__})")
        return None


def _recipe(path: Path, note: Note) -> tuple[str | None, dict[str, Any]]:
    text = _text(path, note)
    if text is None:
        note("recipe.yaml is not there")
        return None, {}
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        note("recipe.yaml is not valid YAML")
        return text, {}
    return text, content if isinstance(content, dict) else {}


class _FunnelEntry(_Lenient):
    step: str
    verb: str
    language: str
    in_: int = Field(alias="in")
    out: int
    dropped: dict[str, int] = Field(default_factory=dict)
    unknown: int = 0
    failed: int = 0
    made: int | None = None


class _FunnelFile(_Lenient):
    steps: list[_FunnelEntry]


def _funnel(path: Path, note: Note) -> tuple[FunnelRow, ...] | None:
    text = _text(path, note)
    if text is None:
        return None
    try:
        entries = _FunnelFile.model_validate_json(text).steps
        return tuple(
            FunnelRow(
                step=e.step,
                verb=e.verb,
                language=e.language,
                in_=e.in_,
                out=e.out,
                dropped=tuple(sorted(e.dropped.items())),
                unknown=e.unknown,
                failed=e.failed,
                made=e.made,
            )
            for e in entries
        )
    except ValueError as error:  # pydantic's errors are ValueErrors, as is a funnel that leaks
        note(f"funnel.json cannot be used ({str(error).splitlines()[0]})")
        return None


_SCORES: TypeAdapter[list[Score]] = TypeAdapter(list[Score])


def _scores(path: Path, note: Note) -> Scores | None:
    text = _text(path, note)
    if text is None:
        return None
    try:
        content = json.loads(text)
        rows = _SCORES.validate_python(content["tasks"])
        return Scores(tuple(rows), Macro.model_validate(content.get("macro") or {}))
    except (ValueError, KeyError, TypeError) as error:
        note(f"scores.json cannot be used ({str(error).splitlines()[0]})")
        return None


_WORSE: TypeAdapter[list[Worse]] = TypeAdapter(list[Worse])


def _measured(run: Path, note: Note) -> Iterator[Measured]:
    """Of the recipe's evaluation and of those of ``polysee eval`` that lie in the run."""
    beside = sorted(path for path in (run / "eval").glob("*") if path.is_dir())
    for folder in (run, *beside):
        name = "" if folder == run else folder.name
        found = Measured(name, _worse(folder / "scores.json", note), _curves(folder / "curves.json", note))
        if found.worse or found.curves is not None:
            yield found


def _worse(path: Path, note: Note) -> tuple[Worse, ...]:
    text = _text(path, note)
    if text is None:
        return ()
    try:
        return tuple(_WORSE.validate_python(json.loads(text).get("robustness") or []))
    except (ValueError, AttributeError) as error:
        note(f"{path.parent.name}/scores.json: the part robustness cannot be used ({str(error).splitlines()[0]})")
        return ()


def _curves(path: Path, note: Note) -> Curves | None:
    text = _text(path, note)
    if text is None:
        return None
    try:
        return Curves.model_validate_json(text)
    except ValueError as error:
        note(f"{path.parent.name}/curves.json cannot be used ({str(error).splitlines()[0]})")
        return None


def _log(path: Path, note: Note) -> tuple[LogLine, ...] | None:
    text = _text(path, note)
    if text is None:
        return None
    lines: dict[tuple[str, int], LogLine] = {}
    bad = endless = 0
    for row in text.splitlines():
        if not row.strip():
            continue
        try:
            line = LogLine.model_validate(json.loads(row))
        except ValueError:
            bad += 1
            continue
        if not math.isfinite(line.loss):
            endless += 1
            continue
        # A run that was killed writes the steps after its last checkpoint again: the later line counts.
        lines[line.stage, line.step] = line
    if bad:
        note(f"train.jsonl: {bad} line(s) cannot be read and are left out")
    if endless:
        note(f"train.jsonl: the loss of {endless} step(s) is not a finite number; they are left out")
    order = list(dict.fromkeys(stage for stage, _ in lines))
    return tuple(sorted(lines.values(), key=lambda line: (order.index(line.stage), line.step)))


def _plans(folder: Path, stages: list[str], note: Note) -> Iterator[Plan]:
    if not folder.is_dir():
        return
    found = {path.stem: path for path in sorted(folder.glob("*.arrow"))}
    for stage in [*(s for s in stages if s in found), *(s for s in found if s not in stages)]:
        try:
            with pa.memory_map(str(found[stage])) as source:
                table = pa.ipc.open_file(source).read_all()
                kept = dict(table.schema.metadata or {})
                yield Plan(
                    stage=stage,
                    rows=table.select(list(PLAN_COLUMNS)).replace_schema_metadata(None),
                    max_tokens=int(kept[b"max_tokens"]),
                    max_tiles=int(kept[b"max_tiles"]),
                )
        except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
            note(f"plans/{stage}.arrow cannot be used ({type(error).__name__})")
