"""``polysee probe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from polysee.evaluation.probes.classify import ClassProbe
    from polysee.evaluation.probes.segment import SegmentProbe
    from polysee.evaluation.statistics import Interval

KINDS = ("linear", "attention", "segment-linear", "segment-head", "segment-full")


@click.command()
@click.argument("subject", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A folder with one folder a class.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="[default: linear and attention]")
@click.option("--layers", default="last", show_default=True, help="last, all, or numbers such as 1,2,4 (0: patches).")
@click.option("--limit", type=click.IntRange(1), help="Most pictures of each class.")
@click.option("--steps", type=click.IntRange(1), help="Steps of training a head.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Peak learning rate of a head.")
@click.option("--seed", default=0, show_default=True, help="Of heads, batches and intervals.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures to this JSON file too.")
def probe(subject: Path, data: Path, kinds: tuple[str, ...], out: Path | None, **options: Any) -> int:
    """Measure what a vision encoder knows, without its language model.

    SUBJECT is a run's folder or a checkpoint's. Heads are trained on its frozen features (segment-full: with it).

    \b
    Examples:
      polysee probe runs/microworld --data animals --layers all
      polysee probe runs/microworld/checkpoints/full --data animals --kind linear --limit 50
      polysee probe runs/microworld --data streets --kind segment-linear --kind segment-head
    """
    from polysee.evaluation.probes.classify import ClassProbe
    from polysee.evaluation.probes.run import ProbeOptions, run_probe, write_probe
    from polysee.inference.checkpoint import final_checkpoint

    checkpoint = final_checkpoint(subject) if (subject / "steps").is_dir() else subject
    found = run_probe(checkpoint, data, kinds or ("linear", "attention"), ProbeOptions(**options))
    for line in _classes(found) if isinstance(found, ClassProbe) else _segments(found):
        click.echo(line)
    if out is not None:
        write_probe(out, found)
        click.echo(str(out))
    return 0


def _classes(found: ClassProbe) -> list[str]:
    lines = [f"{len(found.classes)} classes, {found.train} pictures to train on, {found.test} to test"]
    lines += [f"layer {one.layer:<3} {one.kind:<10} accuracy {_text(one.accuracy)}" for one in found.scores]
    lines += [f"layer {one.layer:<3} {'gap':<10} attention - linear {_text(one.gap)}" for one in found.gaps]
    return [*lines, f"naming always the commonest class: {found.chance:.3f}"]


def _segments(found: SegmentProbe) -> list[str]:
    lines = [f"{found.classes} classes, {found.train} pictures to train on, {found.test} to test"]
    return [*lines, *(f"{one.kind:<15} mean IoU {_text(one.miou)}" for one in found.scores)]


def _text(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
