"""``polysee run``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import JsonValue

    from polysee.engines.step import Step, StepContext, StepOutcome
    from polysee.recipe.plan import Estimate


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--workdir", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs go.")
@click.option("--engine", default="local", show_default=True, type=click.Choice(["local"]), help="What runs the steps.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value of the recipe.")
@click.option("--workers", type=click.IntRange(1), help="Processes; never changes a result.  [default: the recipe's]")
def run(recipe: Path, workdir: Path, engine: str, changes: tuple[str, ...], workers: int | None) -> None:
    """Run a recipe, or go on with it.

    Steps that are finished are skipped, so the same command goes on with a run that was interrupted. Everything goes
    to WORKDIR/<the recipe's name>.

    \b
    Examples:
      polysee run recipes/microworld.yaml
      polysee run recipes/microworld.yaml --set stages.align.steps=50 --set seed=1
      polysee run recipes/microworld.yaml --workdir /data/runs --workers 8
    """
    from rich.console import Console

    from polysee.engines.build import build_steps
    from polysee.engines.local import run_steps
    from polysee.recipe.load import dump_recipe, load_recipe, placed
    from polysee.recipe.plan import estimate
    from polysee.store.atomic import write_text
    from polysee.store.run import RunStore

    loaded = load_recipe(recipe, changes)
    if workers is not None:
        loaded = loaded.model_copy(update={"workers": workers})
    path = workdir / loaded.name
    steps = build_steps(loaded)
    with RunStore(path) as store, placed(recipe, changes):
        write_text(path / "recipe.yaml", dump_recipe(loaded))
        timed = _timed(steps, path, estimate(loaded))
        run_steps(timed, store, workers=loaded.workers, console=Console(stderr=True))
    report = path / "report.html"
    click.echo(str(report if report.is_file() else path))


def _timed(steps: Sequence[Step], path: Path, estimates: Mapping[str, Estimate]) -> list[Step]:
    from polysee.recipe.plan import Estimate

    return [_TimedStep(step, path, estimates.get(step.name, Estimate())) for step in steps]


@dataclass(frozen=True, slots=True)
class _TimedStep:
    """A step that notes in the run's rates how long it took, for the next `polysee plan`."""

    step: Step
    path: Path
    size: Estimate

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def verb(self) -> str:
        return self.step.verb

    @property
    def version(self) -> int:
        return self.step.version

    @property
    def after(self) -> str | None:
        return self.step.after

    def parameters(self) -> JsonValue:
        return self.step.parameters()

    def external_inputs(self) -> Sequence[str]:
        return self.step.external_inputs()

    def run(self, context: StepContext) -> StepOutcome:
        """Run the step, and note its time where nothing of it had been done before. Raises what the step raises."""
        # What goes on with half-done work takes less time than the step does.
        whole = (
            not any(context.folder.iterdir())
            and not (self.path / "checkpoints" / self.name.removeprefix("train-")).exists()
        )
        start = time.monotonic()
        outcome = self.step.run(context)
        if whole:
            self._note(round(time.monotonic() - start, 3), outcome)
        return outcome

    def _note(self, seconds: float, outcome: StepOutcome) -> None:
        from polysee.recipe.plan import Rate, write_rates

        made = [row.out if row.made is None else row.made for row in outcome.rows]
        # Bounds are compared with bounds: the next plan has no other count before it ran.
        rows = self.size.rows or (sum(made) if made else None)
        rate = Rate(seconds=seconds, rows=rows, tokens=self.size.tokens, tiles=self.size.tiles)
        write_rates(self.path, {self.name: rate})
