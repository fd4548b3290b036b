"""The source ``render``: for each task, split and language, pictures with questions and their exact answers."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field, field_validator

from polysee.media.fonts import FontFile
from polysee.schema.config import Config
from polysee.schema.errors import BadRecord
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob, Params, Reject, SourceRecord
from polysee.sources.fields import LanguageTag
from polysee.sources.microworld.scenes import png
from polysee.sources.render import formulas
from polysee.sources.render.canvas import Hand, ink, thousandths, worn
from polysee.sources.render.charts import draw_chart
from polysee.sources.render.pages import Sheet, draw_line, draw_page
from polysee.sources.render.tables import draw_table
from polysee.sources.render.texts import Digits, Material, material, source_files
from polysee.sources.render.typefaces import is_bold, typefaces
from polysee.store.fingerprint import hash_file

LICENCE = "OFL-1.1 AND Unicode-3.0"
BLOCK = 100
"""Pictures a shard."""
SPLITS = ("train", "development", "test")

Task = Literal[
    "text_line", "document", "text_box", "text_region", "chart_value", "chart_highest", "chart_lowest", "chart_compare",
    "table_value", "table_highest", "table_lowest", "formula",
]  # fmt: skip
POOLS: dict[str, str] = {
    "text_line": "reading", "document": "reading", "text_box": "text_box", "text_region": "reading",
    "chart_value": "lookup", "chart_highest": "highest", "chart_lowest": "lowest", "chart_compare": "highest",
    "table_value": "lookup", "table_highest": "highest", "table_lowest": "lowest", "formula": "formula",
}  # fmt: skip
"""Task -> the instruction pool that asks it."""


class Counts(Config):
    """Pictures for each task and language of a held-out split; their words are in no training picture."""

    development: int = Field(default=0, ge=0)
    test: int = Field(default=20, ge=0)


class RenderParams(Params):
    """Parameters of the source."""

    languages: tuple[LanguageTag, ...] = Field(min_length=1)
    pictures: dict[Task, Annotated[int, Field(ge=0)]]
    """Training pictures of each task in each language; a task that is not named is not drawn at all."""
    evaluation: Counts = Counts()
    texts: dict[LanguageTag, str] = Field(default_factory=dict)
    """Language -> a UTF-8 file with a text a line, in place of the CLDR's names."""
    texts_licence: str = "unknown"
    digits: Digits = "default"
    """Of numbers: the CLDR's default for the language, the script's own, ASCII, or one of the two at random."""
    side: int = Field(default=448, ge=224, le=2048)
    """Pixels of a picture's width."""
    lines: int = Field(default=10, ge=3, le=60)
    """Most lines of a page, about."""
    turns: int = Field(default=3, ge=1)
    """Most questions about one training picture."""
    noise: float = Field(default=0.5, ge=0.0, le=1.0)
    """How worn lines and pages look: slanted, blurred, grained."""

    @field_validator("languages")
    @classmethod
    def _once(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(languages)) != len(languages):
            raise ValueError("a language stands in it twice")
        return languages


@dataclass(frozen=True, slots=True)
class _Asked:
    """A picture and what is asked about it. ``options``: of the first question. ``box``: of a region that is meant."""

    image: bytes
    turns: tuple[Turn, ...]
    options: tuple[str, ...] = ()
    box: tuple[float, float, float, float] | None = None


class Render:
    """Text lines, pages, charts, tables and formulas in the fonts of each language. Equal fonts give equal pictures."""

    Params: ClassVar[type[Params]] = RenderParams
    version: ClassVar[int] = 1
    licence = LICENCE

    def __init__(self, params: RenderParams, *, seed: int = 0) -> None:
        self.params = params
        self.seed = seed
        self._tasks = tuple(task for task in get_args(Task) if task in params.pictures)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the texts and fonts of every language, and the version of what sets formulas.

        Raises `UserError` for missing texts or fonts, `MissingExtra` where formulas are wanted without matplotlib.
        """
        found = []
        for tag in self.params.languages:
            faces = self._faces(tag)
            files = [*source_files(tag, self._file(tag)), *dict.fromkeys(face.path for face in faces)]
            found += [_file_hash(path) for path in files]
        if "formula" in self._tasks:
            found.append(f"matplotlib {formulas.require()}")
        return found

    def shards(self) -> Sequence[str]:
        """``split/task/language/first/last`` for blocks of pictures."""
        names = []
        for split in SPLITS:
            for task in self._tasks:
                count = self._count(split, task)
                for tag in self.params.languages:
                    names += [f"{split}/{task}/{tag}/{i}/{min(i + BLOCK, count)}" for i in range(0, count, BLOCK)]
        return names

    def estimate(self) -> int:
        """Records, before anything runs."""
        each = sum(self._count(split, task) for split in SPLITS for task in self._tasks)
        return each * len(self.params.languages)

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The records of one block. A text that no installed font can write is a reject (``no-glyph``)."""
        split, task, tag, first, last = shard.split("/")
        for index in range(int(first), int(last)):
            key = f"{split}/{task}/{tag}/{index}"
            try:
                asked = self._asked(split, task, tag, index)
            except BadRecord as bad:
                yield Reject(key, bad.reason, bad.detail, tag)
                continue
            yield self._record(key, asked)

    def _record(self, key: str, asked: _Asked) -> SourceRecord:
        split, task, tag, index = key.split("/")
        group = (f"group:{split}/{task}/{index}",) if task == "formula" else ()
        return SourceRecord(
            key=key,
            task=task,
            language=tag,
            turns=asked.turns[: self.params.turns if split == "train" else 1],
            media=(MediaBlob(asked.image, place=key, box=asked.box),),
            options=() if split == "train" else asked.options,
            split=split,
            tags=(f"pool:{POOLS[task]}", *group),
            licence=f"{LICENCE} AND {self.params.texts_licence}" if tag in self.params.texts else "",
        )

    def _asked(self, split: str, task: str, tag: str, index: int) -> _Asked:
        # A formula is the same for all languages, and so is its picture; all else is written in the language.
        parts = (split, task, "" if task == "formula" else tag)
        rng = np.random.default_rng([self.seed, *(_stable(part) for part in parts), index])
        if task == "formula":
            latex = formulas.formula(rng)
            image = formulas.draw_formula(latex, rng, height=int(rng.integers(22, 40)), colour=ink(rng))
            return _Asked(png(worn(image, rng, self.params.noise)), (Turn("", latex),))
        sheet = self._sheet(rng, tag, split != "train")
        if task.startswith("chart"):
            return _about_chart(rng, sheet, task)
        if task.startswith("table"):
            return _about_table(rng, sheet, task)
        return self._about_text(rng, sheet, task)

    def _about_text(self, rng: np.random.Generator, sheet: Sheet, task: str) -> _Asked:
        if task == "text_line":
            image, text = draw_line(rng, sheet)
            return _Asked(png(image), (Turn("", text),))
        page = draw_page(rng, sheet, lines=int(rng.integers(3, self.params.lines + 1)))
        if task == "document":
            return _Asked(png(page.image), (Turn("", page.text),))
        texts = [line.text for line in page.lines]
        once = [line for line in page.lines if texts.count(line.text) == 1]
        width, height = page.image.size
        chosen = [once[i] for i in rng.permutation(len(once))[: self.params.turns]]
        if not chosen:
            raise BadRecord("no-single-line", "every line stands on the page twice")
        if task == "text_region":
            left, top, right, bottom = map(float, chosen[0].box)
            return _Asked(png(page.image), (Turn("", chosen[0].text),), box=(left, top, right, bottom))
        turns = tuple(Turn(line.text, thousandths(line.box, width, height)) for line in chosen)
        return _Asked(png(page.image), turns)

    def _sheet(self, rng: np.random.Generator, tag: str, held_out: bool) -> Sheet:
        faces = self._faces(tag)
        face = faces[int(rng.integers(len(faces)))]
        bold = next((f for f in faces if is_bold(f)), face)
        params = self.params
        written = self._material(tag, held_out)
        return Sheet(written, Hand(face, tag), Hand(bold, tag), params.side, params.noise, params.digits)

    def _material(self, tag: str, held_out: bool) -> Material:
        return material(tag, self._file(tag), held_out)

    def _faces(self, tag: str) -> tuple[FontFile, ...]:
        return typefaces((*self._material(tag, False).lines, *self._material(tag, True).lines), tag)

    def _file(self, tag: str) -> Path | None:
        given = self.params.texts.get(tag)
        return None if given is None else Path(given).expanduser()

    def _count(self, split: str, task: str) -> int:
        wanted = self.params.pictures.get(task, 0)  # type: ignore[call-overload]
        if split == "train":
            return int(wanted)
        return self.params.evaluation.development if split == "development" else self.params.evaluation.test


def _about_chart(rng: np.random.Generator, sheet: Sheet, task: str) -> _Asked:
    chart = draw_chart(rng, sheet)
    order = [int(i) for i in rng.permutation(len(chart.labels))]
    if task == "chart_value":
        turns = tuple(Turn(chart.labels[i], chart.shown[i]) for i in order)
        return _Asked(png(chart.image), turns, _four(rng, chart.shown, chart.shown[order[0]]))
    if task == "chart_compare":
        pairs = list(itertools.pairwise(order))
        best = [max(pair, key=chart.values.__getitem__) for pair in pairs]
        texts = [sheet.material.separator.join(chart.labels[i] for i in pair) for pair in pairs]
        turns = tuple(Turn(text, chart.labels[i]) for text, i in zip(texts, best, strict=True))
        return _Asked(png(chart.image), turns, tuple(chart.labels[i] for i in pairs[0]))
    choose = max if task == "chart_highest" else min
    answer = chart.labels[choose(order, key=chart.values.__getitem__)]
    return _Asked(png(chart.image), (Turn("", answer),), _four(rng, chart.labels, answer))


def _about_table(rng: np.random.Generator, sheet: Sheet, task: str) -> _Asked:
    table = draw_table(rng, sheet)
    separator = sheet.material.separator
    columns = [int(i) for i in rng.permutation(len(table.columns))]
    if task == "table_value":
        cells = [(r, c) for c in columns for r in range(len(table.rows))]
        cells = [cells[i] for i in rng.permutation(len(cells))]
        asked = tuple(Turn(f"{table.rows[r]}{separator}{table.columns[c]}", table.shown[r][c]) for r, c in cells)
        everything = tuple(dict.fromkeys(text for row in table.shown for text in row))
        return _Asked(png(table.image), asked, _four(rng, everything, asked[0].output))
    choose = max if task == "table_highest" else min
    rows = range(len(table.rows))
    asked = tuple(Turn(table.columns[c], table.rows[choose(rows, key=lambda r: table.values[r][c])]) for c in columns)
    return _Asked(png(table.image), asked, _four(rng, table.rows, asked[0].output))


def _four(rng: np.random.Generator, candidates: tuple[str, ...], answer: str) -> tuple[str, ...]:
    """The answer among three others, in random order."""
    others = [text for text in candidates if text != answer]
    chosen = [answer, *(others[i] for i in rng.permutation(len(others))[:3])]
    return tuple(chosen[i] for i in rng.permutation(len(chosen)))


@lru_cache(maxsize=256)
def _file_hash(path: Path) -> str:
    return hash_file(path)


def _stable(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
