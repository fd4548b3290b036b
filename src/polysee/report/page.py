"""Puts the sections into one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polysee import __version__
from polysee.report import colours, svg
from polysee.report.balance import balance
from polysee.report.curves import curves
from polysee.report.data import Material, gather
from polysee.report.funnel import funnel
from polysee.report.gallery import gallery
from polysee.report.headline import headline
from polysee.report.heat import heat
from polysee.report.packs import packs
from polysee.report.provenance import provenance
from polysee.report.words import percent
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
    style = _asset("style.css") + colours.css()
    script = _asset("script.js")
    sections = {
        "head": headline(material),
        "heat": heat(material),
        "gallery": gallery(material),
        "funnel": funnel(material),
        "balance": balance(material),
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
            notes=list(dict.fromkeys(material.files.notes)),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            version=__version__,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("polysee.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = percent
    environment.globals["probability_strip"] = _probability
    return environment


def _probability(share: float, class_: str) -> Markup:
    return svg.strip([svg.bar(0, max(share, 0.004), class_)])


def _asset(name: str) -> str:
    return (resources.files("polysee.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded; of styles and scripts only the very ones of the page count."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
