"""The types of the catalogue: a dataset, and a row of a paper's table that names it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polysee.schema.config import Config

Paper = Literal["m3it", "visionblocks", "internvl"]
Origin = Literal["authentic", "translated", "synthetic"]
Kind = Literal["image", "multi-image", "video", "text"]
Use = Literal["training", "held-out", "evaluation-only"]

PAPERS: dict[str, str] = {"m3it": "M3IT", "visionblocks": "VisionBlocks", "internvl": "InternVL 2.5"}
"""Short name -> as people call it."""


class TableRow(Config):
    """One row of a paper's table, with the paper's own numbers and words.

    ``train``, ``val``, ``test``: samples in M3IT; ``samples``: in VisionBlocks; InternVL 2.5 prints none. ``used``:
    M3IT's column "Used": false means held out for evaluation. ``tag``: VisionBlocks' "Public Data", "Synthetic
    (Generated)" or "Translated (Augmented)". ``languages``: where the table names them. ``licence``: as printed.
    """

    paper: Paper
    table: int
    section: str
    printed: str
    kind: Kind = "image"
    train: int | None = Field(default=None, ge=0)
    val: int | None = Field(default=None, ge=0)
    test: int | None = Field(default=None, ge=0)
    samples: int | None = Field(default=None, ge=0)
    used: bool | None = None
    tag: str = ""
    languages: tuple[str, ...] = ()
    licence: str = ""

    @property
    def total(self) -> int | None:
        """Samples of all splits, or None where the paper prints no number."""
        known = [n for n in (self.train, self.val, self.test, self.samples) if n is not None]
        return sum(known) if known else None


class Entry(Config):
    """A dataset.

    ``languages``: BCP-47; empty where no table says. ``licence``: SPDX where there is an identifier, else ``custom``,
    ``non-commercial`` or ``unknown``. ``origin``: of the text. ``hub``: an id on the Hub that has the data, where one
    is known. ``adapter``: the ``use`` of a source that reads its public files; None where there is none yet.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    task: str
    languages: tuple[str, ...] = ()
    licence: str = "unknown"
    origin: Origin = "authentic"
    hub: str | None = None
    adapter: str | None = None
    evaluation_only: bool = False
    note: str = ""
    rows: tuple[TableRow, ...] = ()

    @property
    def held_out_by(self) -> tuple[str, ...]:
        """The papers that never train on it, as people call them."""
        return tuple(dict.fromkeys(PAPERS[row.paper] for row in self.rows if row.used is False))

    @property
    def held_out(self) -> bool:
        """Whether a paper holds it out for evaluation."""
        return bool(self.held_out_by)

    @property
    def use(self) -> Use:
        """What it may be used for, as the papers and its makers have it."""
        return "evaluation-only" if self.evaluation_only else "held-out" if self.held_out else "training"

    @property
    def papers(self) -> tuple[str, ...]:
        """Short names of the papers whose tables name it."""
        return tuple(dict.fromkeys(row.paper for row in self.rows))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of media under which the tables have it."""
        return tuple(dict.fromkeys(row.kind for row in self.rows))
