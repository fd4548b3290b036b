"""Probes of a checkpoint's encoder, and ``probes.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import JsonValue

from polysee.evaluation.probes.classify import ClassKind, ClassProbe, ClassRecipe, probe_classes
from polysee.evaluation.probes.data import read_class_folder, read_mask_folder
from polysee.evaluation.probes.encoder import open_encoder, parse_layers
from polysee.evaluation.probes.segment import SegmentKind, SegmentProbe, SegmentRecipe, probe_segments
from polysee.evaluation.statistics import Interval
from polysee.schema.errors import UserError
from polysee.store.atomic import write_json

KINDS: tuple[str, ...] = (*get_args(ClassKind), *get_args(SegmentKind))
DIGITS = 6


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """``layers``: as `parse_layers` reads them. ``limit``: most pictures, of each class where there are classes.

    ``steps``, ``rate``: of training, None for the recipe's own.
    """

    layers: str = "last"
    limit: int | None = None
    steps: int | None = None
    rate: float | None = None
    seed: int = 0


def run_probe(
    checkpoint: Path, data: Path, kinds: Sequence[str], options: ProbeOptions | None = None
) -> ClassProbe | SegmentProbe:
    """Probe the vision encoder of a checkpoint's folder on a folder of pictures.

    ``kinds``: of `KINDS`, all of classification or all of segmentation. Raises `UserError` where they are mixed, and as
    the readers of checkpoints and folders do.
    """
    chosen = options or ProbeOptions()
    classes: list[ClassKind] = [kind for kind in get_args(ClassKind) if kind in kinds]
    segments: list[SegmentKind] = [kind for kind in get_args(SegmentKind) if kind in kinds]
    if bool(classes) == bool(segments):
        raise UserError("one probe is of classes or of segments", f"give --kind as one or more of {', '.join(KINDS)}")
    if segments:
        masked = read_mask_folder(data, limit=chosen.limit)
        usual = SegmentRecipe()
        segment = SegmentRecipe(steps=chosen.steps or usual.steps, rate=chosen.rate or usual.rate, seed=chosen.seed)
        return probe_segments(open_encoder(checkpoint), masked, segments, segment)
    folder = read_class_folder(data, limit=chosen.limit)
    encoder = open_encoder(checkpoint)
    recipe = ClassRecipe(steps=chosen.steps, rate=chosen.rate or ClassRecipe().rate, seed=chosen.seed)
    return probe_classes(encoder, folder, classes, parse_layers(chosen.layers, encoder.layers), recipe)


def write_probe(path: Path, probe: ClassProbe | SegmentProbe) -> None:
    """Write ``probes.json`` at once or not at all: no times and no paths."""
    write_json(path, as_json(probe))


def as_json(probe: ClassProbe | SegmentProbe) -> dict[str, JsonValue]:
    """A probe's figures, floats rounded to 6 digits."""
    if isinstance(probe, SegmentProbe):
        segments: list[JsonValue] = [
            {
                "kind": one.kind,
                **_interval(one.miou),
                "by_class": [None if value is None else round(value, DIGITS) for value in one.by_class],
            }
            for one in probe.scores
        ]
        return {"mean_iou": segments, "classes": probe.classes, "train": probe.train, "test": probe.test}
    return {
        "accuracy": [{"layer": one.layer, "kind": one.kind, **_interval(one.accuracy)} for one in probe.scores],
        "gap": [{"layer": one.layer, **_interval(one.gap)} for one in probe.gaps],
        "classes": list(probe.classes),
        "train": probe.train,
        "test": probe.test,
        "chance": round(probe.chance, DIGITS),
    }


def _interval(interval: Interval) -> dict[str, JsonValue]:
    return {name: round(getattr(interval, name), DIGITS) + 0.0 for name in ("value", "low", "high")}
