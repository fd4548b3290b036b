"""``polysee compare``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from polysee.cli.text import count, isolate, table
from polysee.schema.errors import UserError

if TYPE_CHECKING:
    from polysee.evaluation.compare import Comparison, Difference
    from polysee.evaluation.items import Answers, Scope

_FOLDER = click.Path(path_type=Path)
_RIGHT = frozenset(range(1, 9))


@click.command()
@click.argument("base", metavar="RUN_A", type=_FOLDER)
@click.argument("new", metavar="RUN_B", type=_FOLDER)
@click.option("--task", "tasks", multiple=True, help="These tasks only; may be given several times, as the next ones.")
@click.option("--split", "splits", multiple=True, help="These held-out parts only.")
@click.option("--language", "languages", multiple=True, metavar="TAG", help="These languages only.")
@click.option("--metric", "metrics", multiple=True, help="These metrics only.")
@click.option("--retention", is_flag=True, help="Compare questions without pictures, and those in English, apart.")
@click.option("--max-drop", type=click.FloatRange(0, 100), help="Leave with 3 if a language falls further (points).")
@click.option("--json", "json_path", type=_FOLDER, help="Write all numbers there as well.")
@click.option("--resamples", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the bootstrap.")
def compare(
    base: Path, new: Path, retention: bool, max_drop: float | None, json_path: Path | None, **options: object
) -> int:
    """Compare two models on the questions that both have answered.

    RUN_A and RUN_B are folders of `polysee run` or `polysee eval`. Differences are B minus A in points (of 100), with
    95% intervals from resampled pictures, p-values after Holm's correction, and the smallest difference that this many
    pictures would show (power 0.8).

    \b
    Examples:
      polysee compare runs/base runs/new
      polysee compare runs/base runs/new --split scenes --max-drop 1
    """
    from polysee.evaluation.compare import compare, pair
    from polysee.evaluation.gate import GateConfig, gate
    from polysee.evaluation.items import Scope, read_answers
    from polysee.store.atomic import write_json

    if retention and max_drop is not None:
        raise UserError("--retention and --max-drop do not go together", "give one of them")
    resamples, seed = options["resamples"], options["seed"]
    assert isinstance(resamples, int)
    assert isinstance(seed, int)
    scope = Scope(**{name: _texts(options[name]) for name in ("tasks", "splits", "languages", "metrics")})
    first, second = _within(read_answers(base), scope), _within(read_answers(new), scope)
    click.echo(f"A {isolate(str(base))}\nB {isolate(str(new))}")
    if retention:
        return _retention(first, second, resamples, seed, json_path)
    found = compare(pair(first, second, resamples=resamples, seed=seed))
    _show(found)
    if json_path is not None:
        write_json(json_path, found.to_json())
    if max_drop is None:
        return 0
    config = GateConfig(against=str(base), max_drop=max_drop / 100)
    result = gate(first, second, config, resamples=resamples, seed=seed)
    click.echo("\n" + "\n".join(result.lines()))
    return result.exit_code


def _within(answers: Answers, scope: Scope) -> Answers:
    return answers.where(lambda item: scope.holds(item.key.cell))


def _retention(start: Answers, now: Answers, resamples: int, seed: int, json_path: Path | None) -> int:
    from polysee.evaluation.retention import retention
    from polysee.store.atomic import write_json

    found = retention(start, now, resamples=resamples, seed=seed)
    titles = {"text": "questions without pictures", "english": "questions about pictures, in English"}
    for name, one in found.items():
        click.echo(f"\n{titles[name]}")
        click.echo(_table({"all": one.overall, **one.abilities}, "task"))
    if json_path is not None:
        write_json(json_path, {name: one.to_json() for name, one in found.items()})
    return 0


def _show(found: Comparison) -> None:
    click.echo(f"\n{count(found.shared)} questions answered by both, about {count(found.overall.clusters)} pictures")
    if found.only_base or found.only_new:
        click.echo(f"not compared: {count(found.only_base)} only in A, {count(found.only_new)} only in B")
    if found.failed:
        click.echo(f"not compared: {count(found.failed)} questions that got no answer")
    click.echo("\n" + _table({"overall": found.overall}, ""))
    click.echo("\n" + _table(found.languages, "language"))
    click.echo("\n" + _table(found.abilities, "ability"))
    up = sum(one.significant(found.level) and one.value > 0 for one in found.cells.values())
    down = sum(one.significant(found.level) and one.value < 0 for one in found.cells.values())
    click.echo(
        f"\ntasks x languages: {up} better, {down} worse, {len(found.cells) - up - down} not told apart "
        f"(p < {found.level:g} after correction for {len(found.cells)})"
    )
    worse = {
        f"{cell.task} {cell.split} {cell.language} {cell.metric}": one
        for cell, one in found.cells.items()
        if one.significant(found.level) and one.value < 0
    }
    if worse:
        click.echo("\n" + _table(worse, "worse"))


def _table(rows: Mapping[str, Difference], head: str) -> str:
    lines: list[tuple[str, ...]] = [
        (head, "A", "B", "B - A", "95% interval", "p", "corrected", "would show", "pictures")
    ]
    for name, one in rows.items():
        lines.append(
            (
                name,
                f"{100 * one.base:.1f}",
                f"{100 * one.new:.1f}",
                f"{100 * one.value:+.1f}",
                f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
                _p(one.p),
                _p(one.adjusted),
                "-" if one.detectable is None else f"{100 * one.detectable:.1f}",
                f"{one.clusters:,}",
            )
        )
    return table(lines, right=_RIGHT)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return value
