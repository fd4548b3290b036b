"""Reads the catalogue's two files, once, and searches them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.sources.catalogue.entries import PAPERS, Entry, Kind, Origin, TableRow, Use
from polysee.text.languages import canonical, language
from polysee.text.normalise import nfc


class Totals(Config):
    """What a paper prints as the sum of a table (None: nothing), and what the table's rows come to."""

    paper: str
    table: int
    printed: int | None
    rows: int


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """All datasets, by name."""
    rows: dict[str, list[TableRow]] = {}
    titles = {one["name"]: one["title"] for one in _yaml("datasets.yaml")["datasets"]}
    for name, row in _table_rows(_yaml("tables.yaml"), titles):
        rows.setdefault(name, []).append(row)
    found = [
        Entry.model_validate({**one, "rows": tuple(rows.pop(one["name"], ()))}, strict=False)
        for one in _yaml("datasets.yaml")["datasets"]
    ]
    assert not rows, f"tables name datasets that do not exist: {', '.join(rows)}"
    assert len({one.name for one in found}) == len(found), "a dataset is there twice"
    return tuple(sorted(found, key=lambda one: one.name))


def entry(name: str) -> Entry:
    """The dataset of that name. Raises `UserError` with the nearest names if there is none."""
    found = _by_name().get(name)
    if found is None:
        near = difflib.get_close_matches(name.lower(), _by_name(), n=3, cutoff=0.5)
        fix = f"did you mean {' or '.join(map(repr, near))}?" if near else "see `polysee catalogue`"
        raise UserError(f"{name!r} is not in the catalogue", fix)
    return found


def evaluation_only_hub(name: str) -> str | None:
    """The first dataset that no model may be trained on and whose id on the Hub is ``name``; None if there is none."""
    wanted = name.casefold()
    return next((one.name for one in entries() if one.evaluation_only and (one.hub or "").casefold() == wanted), None)


def named(name: str) -> str | None:
    """The tag of the language that is called so in English or in itself (``Arabic``, ``العربية``), or None.

    Known are the languages of the catalogue. Case does not matter.
    """
    return _names().get(nfc(name).strip().casefold())


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    tags = sorted({tag for one in entries() for tag in _languages(one)})
    known = [language(tag) for tag in tags]
    return {called.casefold(): one.tag for one in known for called in (one.autonym, one.name)}


@lru_cache(maxsize=1)
def totals() -> tuple[Totals, ...]:
    """The sums that the papers print beside what their rows come to; M3IT's Table 3 without its translated sets."""
    tables = _yaml("tables.yaml")
    three = tables["m3it_table_3"]
    seven = sum(row.total or 0 for one in entries() for row in one.rows if row.paper == "m3it")
    eight = sum(row.total or 0 for one in entries() for row in one.rows if row.paper == "visionblocks")
    by_task = sum(sum(numbers) for numbers in three["rows"].values())
    return (
        Totals(paper="m3it", table=7, printed=None, rows=seven),
        Totals(paper="m3it", table=3, printed=three["printed"] - sum(three["translated"]), rows=by_task),
        Totals(paper="visionblocks", table=8, printed=tables["visionblocks"]["printed"], rows=eight),
    )


def search(
    words: Sequence[str] = (),
    *,
    paper: str | None = None,
    task: str | None = None,
    language: str | None = None,
    licence: str | None = None,
    adapter: str | None = None,
    use: Use | None = None,
    origin: Origin | None = None,
) -> list[Entry]:
    """The datasets in which every word occurs (in name, title, task, notes or rows) and that fit what is asked.

    ``licence`` and ``task`` match a part of theirs; ``language`` is a tag or a name (``Arabic``, ``العربية``) and also
    finds regional forms (``pt``: ``pt-BR``); ``adapter`` may be ``none``. Case does not matter. Raises `UserError` for
    what is no language.
    """
    wanted = [nfc(word).casefold() for word in words]
    tag = None if language is None else _tag(language)
    return [
        one
        for one in entries()
        if all(word in _text(one) for word in wanted)
        and (paper is None or paper in one.papers)
        and (task is None or task.casefold() in one.task)
        and (tag is None or any(own == tag or own.startswith(f"{tag}-") for own in _languages(one)))
        and (licence is None or licence.casefold() in one.licence.casefold())
        and (adapter is None or adapter == (one.adapter or "none"))
        and (use is None or use == one.use)
        and (origin is None or origin == one.origin)
    ]


def _tag(said: str) -> str:
    found = named(said) or canonical(said)
    if found is None:
        raise UserError(f"{said!r} is no language", "give a tag such as `ar` or a name such as `Arabic`")
    return found


def _languages(one: Entry) -> set[str]:
    return {*one.languages, *(tag for row in one.rows for tag in row.languages)}


def _text(one: Entry) -> str:
    told = [part for row in one.rows for part in (row.printed, row.section, row.tag, PAPERS[row.paper], row.kind)]
    held = one.use.replace("-", " ")
    parts = [one.name, one.title, one.task, one.origin, one.note, one.hub or "", held, *told]
    return "\n".join(parts).casefold()


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Entry]:
    return {one.name: one for one in entries()}


def _table_rows(tables: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[tuple[str, TableRow]]:
    for section, rows in tables["m3it"]["sections"].items():
        kind: Kind = "video" if section == "Video" else "image"
        for printed, (name, used, train, val, test, licence) in rows.items():
            yield name, TableRow(
                paper="m3it", table=7, section=section, printed=printed, kind=kind, used=used,
                train=train, val=val, test=test, licence=licence,
            )  # fmt: skip
    for name, printed in tables["m3it"]["translated"].items():
        yield name, TableRow(paper="m3it", table=3, section="Multi-lingual", printed=printed, used=False)
    for section, rows in tables["visionblocks"]["sections"].items():
        kind = "video" if section == "Video/Text" else "image"
        for printed, (name, samples, tag) in rows.items():
            row_kind: Kind = "text" if name in tables["visionblocks"]["text_only"] else kind
            yield (
                name,
                TableRow(
                    paper="visionblocks",
                    table=8,
                    section=section,
                    printed=printed,
                    kind=row_kind,
                    samples=samples,
                    tag=tag,
                ),
            )
    for part in tables["internvl"]:
        spelt = tables["internvl_spelling"][part["table"]]
        for name, spoken in part["datasets"].items():
            yield name, TableRow(
                paper="internvl", table=part["table"], section=part["section"], kind=part["kind"],
                printed=spelt.get(name, titles.get(name, name)), languages=tuple((spoken or "").split()),
            )  # fmt: skip


@lru_cache(maxsize=2)
def _yaml(name: str) -> Any:
    # YAML 1.2, in which `no` is Norwegian.
    text = (files("polysee.sources.catalogue") / name).read_text(encoding="utf-8")
    return YAML(typ="safe", pure=True).load(text)
