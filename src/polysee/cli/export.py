"""``polysee export``."""

from __future__ import annotations

from pathlib import Path

import click

from polysee.store import exports


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "kind", required=True, type=click.Choice(exports.names()), help="What to write.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder to make.")
@click.option("--split", "splits", multiple=True, help="Only this split, such as train; may be given again.")
@click.option("--language", "languages", multiple=True, help="Only this language, such as ar; may be given again.")
@click.option("--where", metavar="SQL", help="Only rows for which this holds, such as 'quality >= 0.8'.")
@click.option("--kept/--all", default=True, show_default=True, help="Without, or with, what a filter dropped.")
@click.option("--shard-size", default=500, show_default=True, type=click.IntRange(1), help="Megabytes of a file.")
def export(
    run: Path,
    kind: str,
    out: Path,
    splits: tuple[str, ...],
    languages: tuple[str, ...],
    where: str | None,
    kept: bool,
    shard_size: int,
) -> None:
    """Write a run's samples in a format of others.

    RUN is a run's folder, such as runs/microworld. The new folder has a dataset card, README.md. What was written is
    read back and compared: what the format does not keep is printed here, and stands in the card.

    \b
    Examples:
      polysee export runs/microworld --format parquet --out exports/microworld
      polysee export runs/microworld --format llava --out exports/arabic --language ar --split train
      polysee export runs/microworld --format webdataset --out exports/all --all
    """
    from rich.console import Console

    from polysee.engines.progress import Progress
    from polysee.report.words import plural
    from polysee.sources.readback import open_export
    from polysee.store.exports.selection import Wanted
    from polysee.store.exports.write import Request
    from polysee.store.exports.write import export as write
    from polysee.store.run import RunStore

    store = RunStore.open_read_only(run)
    request = Request(kind, out, Wanted(splits, languages, where, kept), shard_size * 10**6)
    with Progress(Console(stderr=True)).task(f"export {kind}", None, "samples written or read back") as task:
        outcome = write(store, request, open_export, task.set_done)
    samples, written = plural(outcome.facts.samples, "sample"), plural(len(outcome.written), "file")
    click.echo(f"{outcome.folder}: {samples} in {written}")
    for line in outcome.lines():
        click.echo(f"  {line}")
