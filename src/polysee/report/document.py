"""What every page is made with: templates, assets, and a policy that forbids any request."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """The templates. An unknown name is an error, and everything is escaped."""
    return Environment(
        loader=PackageLoader("polysee.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def asset(*names: str) -> str:
    """Files of the templates' folder, one after the other."""
    folder = resources.files("polysee.report") / "templates"
    return "".join((folder / name).read_text(encoding="utf-8") for name in names)


def policy(style: str, script: str) -> str:
    """Nothing may be loaded; of styles and scripts only the very ones of the page count."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
