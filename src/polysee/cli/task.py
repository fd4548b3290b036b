"""``polysee task``."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def task() -> None:
    """Check task files, and list polysee's own.

    \b
    Examples:
      polysee task list
      polysee task lint my-task.yaml
    """


@task.command()
@click.argument("file")
@click.option("--run", type=click.Path(path_type=Path), help="A run, for tasks that ask a run's own samples.")
def lint(file: str, run: Path | None) -> None:
    """Say all that is wrong with FILE, with line and column, before a model is loaded.

    \b
    Examples:
      polysee task lint my-task.yaml
      polysee task lint microworld --run runs/microworld
    """
    from polysee.evaluation.tasks.lint import lint as check

    for line in check(file, run=run):
        click.echo(line)


@task.command(name="list")
def list_tasks() -> None:
    """The task files that come with polysee."""
    from polysee.evaluation.tasks.load import builtin_names, load_document

    for name in builtin_names():
        loaded, _ = load_document(name)
        click.echo(f"{name:20}{len(loaded.tasks):3} tasks  {loaded.purpose}")
