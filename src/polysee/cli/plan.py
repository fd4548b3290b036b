"""``polysee plan``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from polysee.cli.text import count, duration, size, table

if TYPE_CHECKING:
    from polysee.engines.local import StepPlan
    from polysee.recipe.plan import Estimate
    from polysee.store.run import RunStore

_HEAD = ("step", "verb", "runs", "rows", "tokens", "tiles", "disk", "time", "why")
_NUMBERS = frozenset(range(3, 8))


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--workdir", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs go.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe.")
@click.option("--purpose", type=click.Choice(["commercial"]), help="Refuse sources and models that forbid this.")
def plan(recipe: Path, workdir: Path, changes: tuple[str, ...], purpose: str | None) -> None:
    """Show what a run would do, and why, without doing it.

    Checks the whole recipe; files of datasets that the catalogue knows may still be missing. Times come from an earlier
    run of the same name; what cannot be known before it ran is a dash.

    \b
    Examples:
      polysee plan recipes/microworld.yaml
      polysee plan recipes/microworld.yaml --set mix.temperature=3
      polysee plan recipes/microworld.yaml --purpose commercial
    """
    from polysee.engines.build import build_steps
    from polysee.engines.local import explain
    from polysee.recipe.costs import service_estimates
    from polysee.recipe.licences import check_commercial
    from polysee.recipe.load import load_recipe, placed
    from polysee.recipe.plan import estimate, read_rates
    from polysee.services.open import FOLDER

    loaded = load_recipe(recipe, changes)
    path = workdir / loaded.name
    with placed(recipe, changes):
        untold = check_commercial(loaded) if purpose == "commercial" else []
        steps = build_steps(loaded)
        estimates = estimate(loaded, read_rates(path))
    with _store(path) as store, placed(recipe, changes):
        planned = explain(steps, store)
        click.echo(f"{loaded.name} -> {path}\n")
        click.echo(table([_HEAD, *(_row(step, estimates, store) for step in planned)], right=_NUMBERS))
    click.echo(f"\n{_summary(planned, estimates)}")
    due = {step.name for step in planned if step.will_run}
    for one in service_estimates(loaded, estimates, workdir / FOLDER):
        if one.step in due:
            click.echo(one.line())
    for line in _not_here(estimates):
        click.echo(line, err=True)
    for part in untold:
        click.echo(f"warning: {part.what} tells no licence", err=True)


def _not_here(estimates: Mapping[str, Estimate]) -> Iterator[str]:
    """Which sources' files are missing, where they should be, and what to do."""
    gone = {name: one.missing for name, one in estimates.items() if one.missing is not None}
    if not gone:
        return
    many = f"the files of {len(gone)} source{'s' if len(gone) > 1 else ''}"
    yield f"warning: {many} are not here, and a run would stop; their sizes are the catalogue's or the recipe's:"
    for name, missing in gone.items():
        yield f"  {name}: {missing.place}: {missing.cause}"


@contextmanager
def _store(path: Path) -> Iterator[RunStore]:
    """The run as it is, or an empty one elsewhere: a plan leaves nothing behind."""
    from polysee.store.run import RunStore

    if (path / "steps").is_dir():
        yield RunStore.open_read_only(path)
        return
    with tempfile.TemporaryDirectory() as folder, RunStore(folder) as store:
        yield store


def _row(step: StepPlan, estimates: Mapping[str, Estimate], store: RunStore) -> tuple[str, ...]:
    """Estimates of a step that will run; the rows that a finished one made."""
    from polysee.recipe.plan import Estimate

    if not step.will_run:
        manifest = store.manifest(step.name)
        funnel = manifest.funnel if manifest is not None else ()
        rows = sum(row.out if row.made is None else row.made for row in funnel) if funnel else None
        return (step.name, step.verb, "no", count(rows), "-", "-", "-", "-", step.why)
    expected = estimates.get(step.name, Estimate())
    bound = expected.at_most
    return (
        step.name,
        step.verb,
        "yes",
        count(expected.rows, at_most=bound),
        count(expected.tokens, at_most=bound),
        count(expected.tiles, at_most=bound),
        size(expected.bytes),
        duration(expected.seconds),
        step.why,
    )


def _summary(planned: Sequence[StepPlan], estimates: Mapping[str, Estimate]) -> str:
    from polysee.recipe.plan import Estimate, total_seconds

    due = {step.name: estimates.get(step.name, Estimate()) for step in planned if step.will_run}
    if not due:
        return "nothing to do: every step is committed"
    seconds = total_seconds(due)
    known = sum(one.seconds for one in due.values() if one.seconds is not None)
    time = (
        f"about {duration(seconds)}" if seconds is not None else f"at least {duration(known)}" if known else "unknown"
    )
    disk = size(sum(one.bytes or 0 for one in due.values()))
    end = "(- not known before it ran, ≤ at most)"
    return f"{len(due)} of {len(planned)} steps will run; time {time}; disk at least about {disk}   {end}"
