"""``polysee report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write a run's report again.

    RUN is a run's folder. The report is one HTML file that needs nothing else, RUN/report.html.

    \b
    Examples:
      polysee report runs/microworld
    """
    from polysee.report import write_report

    click.echo(str(write_report(run)))
