"""``polysee show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from polysee.cli.text import count, isolate, size

if TYPE_CHECKING:
    from polysee.schema.sample import MediaRef, Origin, Sample
    from polysee.store.run import RunStore


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--split", help="Only samples of this split, such as train.")
@click.option("--language", help="Only samples in this language, such as ar or pt-BR.")
@click.option("--task", help="Only samples of this task, such as naming.")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1), help="Most samples to print.")
@click.option("--save", type=click.Path(path_type=Path), help="Also write their pictures and videos to this folder.")
@click.option("--instructions", is_flag=True, help="Count their instructions, and how much these differ, by language.")
def show(
    run: Path, split: str | None, language: str | None, task: str | None, limit: int, save: Path | None,
    instructions: bool,
) -> None:  # fmt: skip
    """Print samples of a run and where they came from.

    RUN is a run's folder, such as runs/microworld.

    \b
    Examples:
      polysee show runs/microworld
      polysee show runs/microworld --language ar --task counting --limit 20
      polysee show runs/microworld --split scenes --save pictures
      polysee show runs/microworld --instructions
    """
    from polysee.store.run import RunStore

    store = RunStore.open_read_only(run)
    wanted = {"split": split, "language": language, "task": task}
    where = " AND ".join(f"{name} = {_sql(value)}" for name, value in wanted.items() if value is not None) or None
    total = store.count(where)
    if total == 0:
        raise _nothing(store, {name: value for name, value in wanted.items() if value is not None})
    if instructions:
        from polysee.cli.instructions import instruction_table

        click.echo(instruction_table(store, where))
        return
    for sample, fate in _first(store, where, limit):
        click.echo("\n".join(_lines(sample, fate, store)) + "\n")
        if save is not None:
            _save(sample, store, save)
    click.echo(f"{count(min(limit, total))} of {count(total)} samples")
    for line in _spent(store):
        click.echo(line)


def _spent(store: RunStore) -> Iterator[str]:
    """What the services of this run's steps did in all runs of the work folder."""
    from polysee.services.ledger import read_totals
    from polysee.services.open import FOLDER

    used: set[str] = set()
    for manifest in store.manifests.all():
        services = manifest.parameters.get("services") if isinstance(manifest.parameters, dict) else None
        used |= services.keys() if isinstance(services, dict) else set()
    for totals in read_totals(store.path.parent / FOLDER):
        if totals.service in used:
            yield f"in all runs of {store.path.parent}, {totals.line()}"


def _first(store: RunStore, where: str | None, limit: int) -> Iterator[tuple[Sample, str]]:
    """The first ``limit`` samples with what the select steps say about each."""
    from polysee.schema.arrow import from_table

    keep = store.keep_columns()
    left = limit
    for batch in store.sample_batches(where=where, batch_size=min(limit, 1024)):
        rows = batch.slice(0, left)
        fates = [_fate(row) for row in rows.select(keep).to_pylist()] if keep else ["kept"] * len(rows)
        yield from zip(from_table(rows), fates, strict=True)
        left -= len(rows)
        if left == 0:
            return


def _fate(row: Mapping[str, bool | None]) -> str:
    """Dropped by the first select that says no; else unknown where one cannot say; else kept."""
    for name, kept in row.items():
        if kept is False:
            return f"dropped by {name.removeprefix('keep_')}"
    unknown = [name.removeprefix("keep_") for name, kept in row.items() if kept is None]
    return f"unknown to {', '.join(unknown)}" if unknown else "kept"


def _lines(sample: Sample, fate: str, store: RunStore) -> Iterator[str]:
    yield f"{sample.id}  {isolate(sample.task)}  {sample.language}  {sample.split}  {fate}"
    stored = store.media([ref.sha256 for ref in sample.media])
    for ref in sample.media:
        yield f"  {ref.kind:9}{_medium(ref, len(stored[ref.sha256]))}"
    if sample.instruction:
        yield f"  {'ask':9}{isolate(sample.instruction)}"
    for turn in sample.turns:
        if turn.input:
            yield f"  {'input':9}{isolate(turn.input)}"
        yield f"  {'output':9}{isolate(turn.output)}"
    if sample.options:
        yield f"  {'options':9}{' | '.join(map(isolate, sample.options))}"
    if sample.references:
        yield f"  {'right':9}{' | '.join(map(isolate, sample.references))}"
    if sample.tags:
        yield f"  {'tags':9}{' '.join(map(isolate, sample.tags))}"
    for origin in sample.origins:
        yield f"  {'from':9}{_origin(origin)}"


def _save(sample: Sample, store: RunStore, folder: Path) -> None:
    from polysee.media.decode import probe
    from polysee.store.atomic import make_folder, write_bytes

    make_folder(folder)
    for ref in sample.media:
        data = store.read_media(ref.sha256)
        write_bytes(folder / f"{ref.sha256[:12]}.{probe(data, ref.kind).format.lower()}", data)


def _medium(ref: MediaRef, stored: int) -> str:
    parts = [f"{ref.width} x {ref.height} px", size(stored), f"sha256 {ref.sha256[:12]}"]
    if ref.frames > 1:
        parts.insert(1, f"{ref.frames} frames")
    if ref.span is not None:
        parts.append(f"{ref.span[0]:g} to {ref.span[1]:g} s")
    if ref.box is not None:
        parts.append("box " + ", ".join(f"{edge:g}" for edge in ref.box))
    return ", ".join(parts)


def _origin(origin: Origin) -> str:
    parts = [f"{isolate(origin.source)} {isolate(origin.key)}", f"licence {isolate(origin.licence or 'unknown')}"]
    for name in ("step", "service", "model", "parent"):
        value = getattr(origin, name)
        if value:
            parts.append(f"{name} {isolate(value)}")
    return ", ".join(parts)


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _nothing(store: RunStore, wanted: Mapping[str, str]) -> Exception:
    from polysee.schema.errors import UserError

    if not wanted:
        return UserError("this run has no samples", "run its recipe first", place=str(store.path))
    table = store.samples(columns=list(wanted))
    known = "; ".join(f"{name}: {', '.join(sorted(table.column(name).unique().to_pylist()))}" for name in wanted)
    asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
    return UserError(f"no sample has {asked}", f"the run has {known}", place=str(store.path))
