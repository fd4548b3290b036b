"""The same questions asked of every checkpoint: a curve for each ability and each language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polysee.report import lines
from polysee.report.data import Material
from polysee.report.files import Curve, Curves, Spot
from polysee.report.lines import SmallCurve
from polysee.report.words import Tongue, percent


@dataclass(frozen=True, slots=True)
class CurvesPart:
    """One evaluation. ``inside``: of each ability, its languages."""

    name: str
    overall: Markup
    languages: tuple[SmallCurve, ...]
    abilities: tuple[SmallCurve, ...]
    inside: tuple[tuple[str, tuple[SmallCurve, ...]], ...]


def checkpoints(material: Material) -> tuple[CurvesPart, ...]:
    """A part for each evaluation of two checkpoints or more; mostly none."""
    return tuple(
        _part(material, one.name, one.curves)
        for one in material.files.measured
        if one.curves is not None and len(one.curves.checkpoints) > 1
    )


def _part(material: Material, name: str, found: Curves) -> CurvesPart:
    places = [one.steps for one in found.checkpoints]
    names = [one.name for one in found.checkpoints]
    by_key = {(curve.ability, curve.language): curve for curve in found.curves}
    whole = by_key.get((None, None))
    abilities = list(dict.fromkeys(curve.ability for curve in found.curves if curve.ability is not None))
    tongues = material.ordered(curve.language for curve in found.curves if curve.language is not None)

    def small(ability: str | None, own: Tongue | None) -> SmallCurve | None:
        curve = by_key.get((ability, own.tag if own is not None else None))
        return None if curve is None else _small(curve, places, names, own)

    def all_of(ability: str | None) -> tuple[SmallCurve, ...]:
        return tuple(one for own in tongues if (one := small(ability, own)) is not None)

    return CurvesPart(
        name=name,
        overall=Markup("") if whole is None else lines.large(whole.points, places, names, whole.chance),
        languages=all_of(None),
        abilities=tuple(one for ability in abilities if (one := small(ability, None)) is not None),
        inside=tuple((ability, all_of(ability)) for ability in abilities),
    )


def _small(curve: Curve, places: Sequence[float], names: Sequence[str], own: Tongue | None) -> SmallCurve:
    points: list[Spot] = curve.points
    ability = curve.ability or ""
    class_, title = (
        (own.seen, f"{ability} in {own.name}" if ability else own.name) if own is not None else ("vl", ability)
    )
    return SmallCurve(
        tongue=own,
        name=ability,
        figure=lines.small(points, places, curve.chance, class_, title),
        first=percent(points[0].value),
        last=percent(points[-1].value),
        change=lines.change(points),
        best=lines.best(points, names),
    )
