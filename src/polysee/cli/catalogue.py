"""``polysee catalogue``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import JsonValue

    from polysee.sources.catalogue import Entry
    from polysee.sources.catalogue.entries import Origin, Use

_MANY = 5
"""Lists of more languages than this are counted instead of told."""


@click.command("catalogue")
@click.argument("words", nargs=-1)
@click.option("--paper", type=click.Choice(["m3it", "visionblocks", "internvl"]), help="Only of this paper's tables.")
@click.option("--task", help="Only tasks with this in their name: vqa, caption, ocr …")
@click.option("--language", help="Only in this language, by tag or name: ar, Arabic …; pt also finds pt-BR.")
@click.option("--licence", help="Only licences with this in their name: CC-BY, unknown …")
@click.option("--adapter", help="Only read by this adapter; `none` for those without.")
@click.option("--use", type=click.Choice(["training", "held-out", "evaluation-only"]), help="Only those for this use.")
@click.option(
    "--origin", type=click.Choice(["authentic", "translated", "synthetic"]), help="Only with text of this origin."
)
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
def catalogue(
    words: Sequence[str],
    paper: str | None,
    task: str | None,
    language: str | None,
    licence: str | None,
    adapter: str | None,
    use: Use | None,
    origin: Origin | None,
    as_json: bool,
) -> int:
    """Search the datasets of M3IT, VisionBlocks and InternVL 2.5.

    All WORDS must occur in a dataset's name, title, task, notes or table rows. One dataset alone is told in full. The
    exit code is 1 where nothing is found.

    \b
    Examples:
      polysee catalogue
      polysee catalogue --use held-out --language zh
      polysee catalogue --language Arabic --origin authentic
      polysee catalogue --task caption --licence cc-by
      polysee catalogue vqa-v2
      polysee catalogue --paper visionblocks --json
    """
    from polysee.sources.catalogue import entry, search

    found = search(
        words, paper=paper, task=task, language=language, licence=licence, adapter=adapter, use=use, origin=origin
    )
    if len(words) == 1 and any(one.name == words[0] for one in found):
        found = [entry(words[0])]
    if as_json:
        from polysee.store.atomic import to_json

        click.echo(to_json(_facts(found)), nl=False)
        return 0 if found else 1
    if not found:
        click.echo(f"no dataset fits; {_hint(task)}", err=True)
        return 1
    click.echo(_full(found[0]) if len(found) == 1 else _list(found))
    if paper is not None and len(found) > 1:
        click.echo("".join(_disagreements(paper)), nl=False)
    return 0


def _disagreements(paper: str) -> Iterator[str]:
    """A line for each table of the paper whose printed total is not that of its rows."""
    from polysee.cli.text import count
    from polysee.sources.catalogue import PAPERS
    from polysee.sources.catalogue.load import totals

    for one in totals():
        if one.paper == paper and one.printed is not None and one.printed != one.rows:
            said = f"Table {one.table} prints a total of {count(one.printed)}; its rows come to {count(one.rows)}"
            yield f"{PAPERS[paper]}: {said}\n"
    if paper == "m3it":
        seven, three = (next(one.rows for one in totals() if (one.paper, one.table) == ("m3it", n)) for n in (7, 3))
        yield f"M3IT: the rows of Table 7 come to {count(seven)}, those of Table 3 to {count(three)}\n"


def _hint(task: str | None) -> str:
    from polysee.sources.catalogue import entries, search

    if task is not None and not search(task=task):
        return f"the tasks are {', '.join(sorted({one.task for one in entries()}))}"
    return "`polysee catalogue` lists all"


def _list(found: Sequence[Entry]) -> str:
    from polysee.cli.text import count, table

    head = ("name", "task", "languages", "licence", "origin", "use", "samples", "adapter")
    rows = [
        (one.name, one.task, _languages(one), one.licence, one.origin, one.use, count(_samples(one)),
         one.adapter or "-")
        for one in found
    ]  # fmt: skip
    return f"{table([head, *rows], right=frozenset({6}))}\n{len(found)} datasets"


def _samples(one: Entry) -> int | None:
    """The largest number that a table has; None where none prints any."""
    return max((row.total for row in one.rows if row.total is not None), default=None)


def _full(one: Entry) -> str:
    from polysee.cli.text import count, table

    facts: list[tuple[str, ...]] = [
        ("name", one.name),
        ("title", one.title),
        ("task", one.task),
        ("languages", ", ".join(one.languages) or "not told"),
        ("licence", one.licence),
        ("origin", one.origin),
        ("hub", one.hub or "-"),
        ("adapter", one.adapter or "-"),
        ("use", one.use),
    ]
    facts += [("note", one.note)] if one.note else []
    head = ("paper", "table", "section", "as", "train", "val", "test", "samples", "licence", "tag")
    rows = [
        (row.paper, str(row.table), row.section, row.printed, count(row.train), count(row.val), count(row.test),
         count(row.samples), row.licence or "-", row.tag or "-")
        for row in one.rows
    ]  # fmt: skip
    return f"{table(facts)}\n\n{table([head, *rows], right=frozenset({4, 5, 6, 7}))}"


def _facts(found: Sequence[Entry]) -> JsonValue:
    facts: list[JsonValue] = []
    for one in found:
        told: dict[str, JsonValue] = one.model_dump(mode="json")
        papers: list[JsonValue] = [*one.papers]
        facts.append({**told, "held_out": one.held_out, "use": one.use, "papers": papers})
    return facts


def _languages(one: Entry) -> str:
    told = one.languages
    return "-" if not told else ",".join(told) if len(told) <= _MANY else f"{len(told)} languages"
