"""Who wrote the words of each language's training data: people in that language, a translator, or a model."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from polysee.report import svg
from polysee.report.data import LanguageData, Material
from polysee.report.words import Tongue, count, percent
from polysee.schema.provenance import PROVENANCES, Provenance

CLASSES: dict[Provenance, str] = {"authentic": "vl", "translated": "text", "synthetic": "none"}
"""The page's colours for them."""


@dataclass(frozen=True, slots=True)
class WordingRow:
    """``shares``: of `PROVENANCES`, in their order; an empty text for none."""

    tongue: Tongue
    strip: Markup
    samples: str
    shares: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    rows: tuple[WordingRow, ...]
    legend: tuple[tuple[str, str], ...]
    missing: str


def wording(material: Material) -> Wording:
    """A row for each language that has kept training samples."""
    keys = tuple((kind, CLASSES[kind]) for kind in PROVENANCES)
    found = material.survey.languages if material.survey is not None else {}
    trained = {tag: data for tag, data in found.items() if data.train}
    if not trained:
        return Wording((), keys, "There are no training samples yet.")
    rows = tuple(_row(tongue, trained[tongue.tag]) for tongue in material.ordered(trained))
    return Wording(rows, keys, "")


def _row(tongue: Tongue, data: LanguageData) -> WordingRow:
    bars: list[Markup] = []
    start = 0.0
    for kind in PROVENANCES:
        share = data.made[kind] / data.train
        if share:
            bars.append(svg.bar(start, start + share, CLASSES[kind], title=f"{kind}: {count(data.made[kind])}"))
        start += share
    shares = tuple(percent(data.made[kind] / data.train) if data.made[kind] else "" for kind in PROVENANCES)
    return WordingRow(tongue, svg.strip(bars), count(data.train), shares)
