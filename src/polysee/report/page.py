"""Puts the sections into one file that asks nobody for anything."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from polysee import __version__
from polysee.report import colours, svg
from polysee.report.balance import balance
from polysee.report.checkpoints import checkpoints
from polysee.report.curves import curves
from polysee.report.data import Material, gather
from polysee.report.document import asset, environment, policy
from polysee.report.funnel import funnel
from polysee.report.gallery import gallery
from polysee.report.headline import headline
from polysee.report.heat import heat
from polysee.report.packs import packs
from polysee.report.provenance import provenance
from polysee.report.wording import wording
from polysee.report.words import percent
from polysee.report.worse import worse
from polysee.store.atomic import write_text


def write_report(run: Path) -> Path:
    """Write ``run``/report.html from what the run has so far, at once or not at all; returns its path.

    The page is one file: styles, script and pictures are in it, and its policy forbids any request. Equal runs give
    equal bytes. What the run does not have yet is said on the page. Raises `UserError` if ``run`` is no run folder,
    or if the page cannot be written.
    """
    path = run / "report.html"
    write_text(path, render(gather(run)))
    return path


def render(material: Material) -> str:
    """The page."""
    style = asset("style.css") + colours.css()
    script = asset("common.js", "script.js")
    sections = {
        "head": headline(material),
        "heat": heat(material),
        "worse": worse(material),
        "checkpoints": checkpoints(material),
        "gallery": gallery(material),
        "funnel": funnel(material),
        "balance": balance(material),
        "wording": wording(material),
        "curves": curves(material),
        "packs": packs(material),
        "provenance": provenance(material),
    }
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            **sections,
            # Sections add notes while they are made, so these come last.
            data_only=material.files.data_only,
            notes=list(dict.fromkeys(material.files.notes)),
            style=Markup(style),
            script=Markup(script),
            policy=policy(style, script),
            version=__version__,
        )
    )


def _environment() -> Environment:
    made = environment()
    made.filters["percent"] = percent
    made.globals["probability_strip"] = _probability
    return made


def _probability(share: float, class_: str) -> Markup:
    return svg.strip([svg.bar(0, max(share, 0.004), class_)])
