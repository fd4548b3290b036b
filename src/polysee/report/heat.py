"""Task by language, for each held-out part and each baseline; and the mean of each language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from polysee.evaluation.scores import Score, asked_plainly
from polysee.report.colours import step_class
from polysee.report.data import Material
from polysee.report.headline import interval_strip
from polysee.report.words import (
    SEEN_ORDER,
    SEEN_WORDS,
    UNKNOWN,
    Tongue,
    baseline_words,
    percent,
    split_key,
    split_words,
)

Column = tuple[str, str]
"""Task and metric."""


@dataclass(frozen=True, slots=True)
class Cell:
    """``class_``: the step of the ramp. ``hint``: all there is to say.

    ``unclear``: chance lies within the interval; such a cell has no colour.
    """

    value: str
    interval: str
    class_: str
    unclear: bool
    hint: str


@dataclass(frozen=True, slots=True)
class Row:
    """One language. ``mean``: of the tasks with options; other metrics do not mix.

    ``unparsed`` and ``wrong``: shares of all its answers in this panel, in percent.
    """

    tongue: Tongue
    cells: tuple[Cell | None, ...]
    mean: str
    unparsed: str
    wrong: str
    alarming: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """A row of means to hold the languages against: chance, or a baseline."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Languages of which training saw the same."""

    label: str
    rows: tuple[Row, ...]
    beside: tuple[Beside, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A table: one held-out part, one model."""

    id: str
    split: str
    split_label: str
    model: str
    model_label: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    answers: int


@dataclass(frozen=True, slots=True)
class MeanRow:
    """A language's mean over the tasks with four options."""

    tongue: Tongue
    value: str
    interval: str
    split: str
    strip: Markup


@dataclass(frozen=True, slots=True)
class Heat:
    """``splits`` and ``models``: value and label of the two selectors."""

    panels: tuple[Panel, ...]
    splits: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, str], ...]
    means: tuple[MeanRow, ...]
    missing: str


def heat(material: Material) -> Heat:
    """Task by language for each split and baseline, of tasks that were asked plainly."""
    scores = material.files.scores
    if scores is None or not scores.rows:
        return Heat((), (), (), (), "There are no scores yet: the model has not been evaluated.")
    by_panel: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in asked_plainly(scores.rows):
        by_panel[score.split, score.baseline or ""].append(score)
    keys = sorted(by_panel, key=lambda key: (split_key(key[0]), key[1]))
    panels = tuple(_panel(material, key, by_panel) for key in keys)
    splits = dict.fromkeys(key[0] for key in keys)
    models = sorted({key[1] for key in keys})
    return Heat(
        panels=panels,
        splits=tuple((split, split_words(split)) for split in splits),
        models=tuple((model, _model_words(model)) for model in models),
        means=tuple(_means(material)),
        missing="",
    )


def _model_words(baseline: str) -> str:
    return baseline_words(baseline) if baseline else "trained model"


def _panel(material: Material, key: tuple[str, str], by_panel: dict[tuple[str, str], list[Score]]) -> Panel:
    split, model = key
    scores = by_panel[key]
    columns = tuple(sorted({(s.task, s.metric) for s in scores}, key=lambda c: (c[1] != "choice", c)))
    beside = {name: by_panel[at, name] for at, name in sorted(by_panel) if at == split and name and name != model}
    groups = []
    for seen in SEEN_ORDER:
        tongues = [t for t in material.ordered(s.language for s in scores) if t.seen == seen]
        if tongues:
            tags = {t.tag for t in tongues}
            here = [s for s in scores if s.language in tags]
            others = {} if model else {n: [s for s in rows if s.language in tags] for n, rows in beside.items()}
            rows = tuple(_row(tongue, columns, here) for tongue in tongues)
            groups.append(Group(SEEN_WORDS[seen], rows, tuple(_beside(columns, here, others))))
    return Panel(
        id=f"heat-{split}-{model or 'model'}",
        split=split,
        split_label=split_words(split),
        model=model,
        model_label=_model_words(model),
        columns=columns,
        groups=tuple(groups),
        answers=sum(s.n for s in scores),
    )


def _row(tongue: Tongue, columns: Sequence[Column], scores: Iterable[Score]) -> Row:
    own = {(s.task, s.metric): s for s in scores if s.language == tongue.tag}
    answers = sum(s.n for s in own.values())
    by_choice = [s.value for s in own.values() if s.metric == "choice"]
    unparsed = sum(s.unparsed * s.n for s in own.values()) / answers
    wrong = sum(s.wrong_language * s.n for s in own.values()) / answers
    return Row(
        tongue=tongue,
        cells=tuple(_cell(tongue, own[column]) if column in own else None for column in columns),
        mean=percent(fmean(by_choice), 0) if by_choice else UNKNOWN,
        unparsed=percent(unparsed, 0),
        wrong=percent(wrong, 0),
        alarming=max(unparsed, wrong) >= 0.1,
    )


def _cell(tongue: Tongue, score: Score) -> Cell:
    unclear = score.chance is not None and score.low <= score.chance <= score.high
    hint = [
        f"{tongue.name} · {score.task} · {score.metric}",
        f"{percent(score.value)} % ({percent(score.low)}–{percent(score.high)}), {score.n} answers",
        f"chance {percent(score.chance, 0)} %" if score.chance is not None else "guessing has no meaning here",
        f"unparsed {percent(score.unparsed)} %, wrong language {percent(score.wrong_language)} %",
    ]
    if unclear:
        hint.append("not distinguishable from chance")
    return Cell(
        value=percent(score.value, 0),
        interval=f"{percent(score.low, 0)}–{percent(score.high, 0)}",
        class_="p0" if unclear else step_class(score.value, score.chance),
        unclear=unclear,
        hint="\n".join(hint),
    )


def _beside(columns: Sequence[Column], scores: Sequence[Score], others: dict[str, list[Score]]) -> Iterable[Beside]:
    def means(rows: Sequence[Score], chance: bool = False) -> tuple[str, ...]:
        found = []
        for column in columns:
            here = [s for s in rows if (s.task, s.metric) == column]
            values = [v for v in ((s.chance if chance else s.value) for s in here) if v is not None]
            found.append(percent(fmean(values), 0) if values else "")
        return tuple(found)

    yield Beside("mean", means(scores))
    yield Beside("chance", means(scores, chance=True))
    for name, rows in others.items():
        if rows:
            yield Beside(baseline_words(name), means(rows))


def _means(material: Material) -> Iterable[MeanRow]:
    assert material.files.scores is not None
    macro = material.files.scores.macro
    for tongue in material.ordered(macro.languages):
        entry = macro.languages[tongue.tag]
        yield MeanRow(
            tongue=tongue,
            value=percent(entry.value),
            interval=f"{percent(entry.low)}–{percent(entry.high)}",
            split=split_words(entry.split) if entry.split else "",
            strip=interval_strip(entry, macro.chance, f"mark {tongue.seen}"),
        )
