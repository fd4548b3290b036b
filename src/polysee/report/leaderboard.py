"""One HTML page that compares models: means, languages, abilities, checkpoints, and where two of them disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from polysee import __version__
from polysee.evaluation.abilities import Gap
from polysee.evaluation.items import Cell
from polysee.evaluation.statistics import Interval
from polysee.report import colours, svg
from polysee.report.document import asset, environment, policy
from polysee.report.leaderboard_cards import duel
from polysee.report.leaderboard_curves import chance_of, checkpoint_curves
from polysee.report.leaderboard_data import ALPHA, Board, Entry, Mark, read_board
from polysee.report.leaderboard_steady import steady
from polysee.report.words import UNKNOWN, Tongue, in_order, percent, tongue
from polysee.schema.errors import UserError
from polysee.store.atomic import write_text

GROUP_WORDS = {"text": "text only", "unseen": "unseen"}


@dataclass(frozen=True, slots=True)
class Options:
    """``duel``: names of the two models whose answers are shown (the two best if empty). ``cards``: at most so many.

    ``data``: further run folders that hold questions and pictures. ``checkpoints``: the models are checkpoints of one
    training, in this order.
    """

    title: str = "Leaderboard"
    duel: tuple[str, ...] = ()
    cards: int = 48
    data: tuple[Path, ...] = ()
    checkpoints: bool = False
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BoardCell:
    """``sign``: best, worse, same or "". ``sort``: what the column is sorted by. ``held_in``: trained on this."""

    value: str
    interval: str
    sort: float
    sign: str
    class_: str
    hint: str
    held_in: bool
    seen: str


@dataclass(frozen=True, slots=True)
class OverallRow:
    name: str
    value: str
    interval: str
    strip: Markup
    sort: float
    sign: str
    difference: str
    p: str
    detectable: str
    gaps: tuple[str, ...]
    answers: int | None
    held_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """``tongue``: None for an ability."""

    key: str
    tongue: Tongue | None


@dataclass(frozen=True, slots=True)
class Grid:
    """Models by languages, or by abilities."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[BoardCell, ...]], ...]


def write_leaderboard(runs: Sequence[tuple[str, Path]], out: Path, options: Options | None = None) -> Path:
    """Write the page that compares the models in folders of ``polysee run`` or ``polysee eval``; returns ``out``.

    The page is one file that loads nothing, and equal runs give equal bytes. Raises `UserError` for a folder without
    scores, models without a common task, an unknown name in ``options.duel``, or a page that cannot be written.
    """
    chosen = options or Options()
    board = read_board(runs, resamples=chosen.resamples, seed=chosen.seed)
    write_text(out, render(board, chosen))
    return out


def render(board: Board, options: Options) -> str:
    """The page."""
    style = asset("style.css", "leaderboard.css") + colours.css()
    script = asset("common.js", "leaderboard.js")
    order = sorted(range(len(board.entries)), key=lambda i: (-board.overall[i].value.value, board.entries[i].name))
    pair = _two(board, options, order)
    return (
        _environment()
        .get_template("leaderboard.html.j2")
        .render(
            title=options.title,
            overall=[_overall(board, index) for index in order],
            gap_names=_gap_names(board),
            languages=_languages(board, order),
            abilities=_abilities(board, order),
            matrices=[_matrix(board, index) for index in order if board.entries[index].answers is not None],
            steady=steady(board, order),
            curves=checkpoint_curves(board) if options.checkpoints and len(board.entries) > 1 else None,
            duel=_duel(board, pair, options) if pair else None,
            tasks=sorted({cell.task for cell in board.main}),
            language_count=len({cell.language for cell in board.main}),
            cells=len(board.cells),
            notes=board.notes,
            alpha=f"{100 * ALPHA:.0f}",
            held_in=any(entry.held_in for entry in board.entries),
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script),
            version=__version__,
        )
    )


def _duel(board: Board, pair: tuple[Entry, Entry], options: Options) -> object:
    return duel(board.paired(*pair), (pair[0].name, pair[1].name), most=options.cards, data=options.data)


def _two(board: Board, options: Options, order: Sequence[int]) -> tuple[Entry, Entry] | None:
    by_name = {entry.name: entry for entry in board.entries}
    for name in options.duel:
        if name not in by_name:
            raise UserError(f"no model is called {name!r}", f"there are {', '.join(by_name)}")
    if options.duel:
        return by_name[options.duel[0]], by_name[options.duel[1]]
    answered = [board.entries[index] for index in order if board.entries[index].answers is not None]
    # The better one second: wins are then what it has gained.
    return (answered[1], answered[0]) if len(answered) > 1 else None


def _overall(board: Board, index: int) -> OverallRow:
    entry, mark = board.entries[index], board.overall[index]
    one = mark.against
    gaps: dict[str, Gap] = {gap.group: gap for gap in board.gaps(entry)}
    tasks = {cell.task for cell in board.cells}
    return OverallRow(
        name=entry.name,
        value=percent(mark.value.value),
        interval=_ends(mark),
        strip=_strip(mark, chance_of(board, board.main)),
        sort=mark.value.value,
        sign=_sign(board, mark),
        difference=_signed(one.value) if one else UNKNOWN,
        p=_p(one.adjusted) if one else UNKNOWN,
        detectable=percent(one.detectable) if one else UNKNOWN,
        gaps=tuple(_gap(gaps.get(name)) for name in _gap_names(board)),
        answers=len(entry.answers.items) if entry.answers is not None else None,
        held_in=tuple(sorted(entry.held_in & tasks)),
    )


def _gap_names(board: Board) -> list[str]:
    found = {gap.group for entry in board.entries for gap in board.gaps(entry)}
    return [name for name in GROUP_WORDS if name in found]


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return UNKNOWN
    return f"{_signed(gap.interval.value)} ({_signed(gap.interval.low)} to {_signed(gap.interval.high)})"


def _languages(board: Board, order: Sequence[int]) -> Grid:
    seen = {tag: what for entry in board.entries for tag, what in entry.seen.items()}
    tongues = in_order(tongue(tag, seen.get(tag, "none")) for tag in board.languages)
    return _grid(board, order, board.languages, [Column(one.tag, one) for one in tongues])


def _abilities(board: Board, order: Sequence[int]) -> Grid:
    return _grid(board, order, board.abilities, [Column(name, None) for name in board.abilities])


def _matrix(board: Board, index: int) -> tuple[str, Grid]:
    """Ability by language of one model."""
    entry = board.entries[index]
    tongues = in_order(tongue(tag, entry.seen.get(tag, "none")) for tag in board.languages)
    found = board.matrix(entry)
    cells = {
        (ability, tag): [cell for cell in members if cell.language == tag]
        for ability, members in board.abilities.items()
        for tag in board.languages
    }
    rows = tuple(
        (ability, tuple(_matrix_cell(board, found.get((ability, one.tag)), cells[ability, one.tag]) for one in tongues))
        for ability in board.abilities
    )
    return entry.name, Grid(tuple(Column(one.tag, one) for one in tongues), rows)


def _matrix_cell(board: Board, found: Interval | None, cells: Sequence[Cell]) -> BoardCell:
    if found is None:
        return BoardCell("", "", -1.0, "", "void", "not measured", False, "")
    return BoardCell(
        value=percent(found.value, 0),
        interval=f"{percent(found.low, 0)}–{percent(found.high, 0)}",
        sort=found.value,
        sign="",
        class_=colours.step_class(found.value, chance_of(board, cells)),
        hint=f"{percent(found.value)} % ({percent(found.low)}–{percent(found.high)})",
        held_in=False,
        seen="",
    )


def _grid(board: Board, order: Sequence[int], groups: Mapping[str, Sequence[Cell]], columns: Sequence[Column]) -> Grid:
    marks = board.marks(groups)
    rows = []
    for index in order:
        entry = board.entries[index]
        cells = (_cell(board, entry, column, marks[index][column.key], groups[column.key]) for column in columns)
        rows.append((entry.name, tuple(cells)))
    return Grid(tuple(columns), tuple(rows))


def _cell(board: Board, entry: Entry, column: Column, mark: Mark, cells: Sequence[Cell]) -> BoardCell:
    chance = chance_of(board, cells)
    held = sorted({cell.task for cell in cells} & entry.held_in)
    seen = entry.seen.get(column.key, "") if column.tongue is not None else ""
    title = column.tongue.name if column.tongue is not None else column.key
    hint = [f"{entry.name} · {title}", f"{percent(mark.value.value)} %"]
    if mark.value.low is not None:
        hint[-1] += f" ({_ends(mark)})"
    if mark.against is not None:
        one = mark.against
        hint.append(
            f"{_signed(one.value)} to the best ({_signed(one.low)} to {_signed(one.high)}), "
            f"p {_p(one.adjusted)} corrected"
        )
        if one.detectable is not None:
            hint.append(f"differences from {percent(one.detectable)} would show")
    if held:
        hint.append(f"trained on: {', '.join(held)}")
    return BoardCell(
        value=percent(mark.value.value, 0),
        interval=_ends(mark, 0),
        sort=mark.value.value,
        sign=_sign(board, mark),
        class_=colours.step_class(mark.value.value, chance),
        hint="\n".join(hint),
        held_in=bool(held),
        seen=seen,
    )


def _sign(board: Board, mark: Mark) -> str:
    if len(board.entries) < 2:
        return ""
    if mark.best:
        return "best"
    return "" if mark.against is None else "worse" if mark.worse else "same"


def _ends(mark: Mark, digits: int = 1) -> str:
    if mark.value.low is None or mark.value.high is None:
        return ""
    return f"{percent(mark.value.low, digits)}–{percent(mark.value.high, digits)}"


def _strip(mark: Mark, chance: float | None) -> Markup:
    parts = [svg.tag("rect", class_="track", x="0", y="45%", width="100%", height="10%", rx="1")]
    if chance is not None:
        x = svg.share(chance)
        parts.append(svg.tag("line", class_="chance", x1=x, x2=x, y1="0", y2="100%"))
    if mark.value.low is not None and mark.value.high is not None:
        end = max(mark.value.high, mark.value.low + 0.002)
        parts.append(svg.bar(mark.value.low, end, "mark span", y="35%", height="30%"))
    parts.append(svg.tag("circle", class_="mark dot", cx=svg.share(mark.value.value), cy="50%", r="5"))
    return svg.strip(parts)


def _signed(value: float) -> str:
    return f"{100 * value + 0.0:+.1f}".replace("-", "−")


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _environment() -> Environment:
    made = environment()
    made.globals["group_words"] = GROUP_WORDS
    return made
