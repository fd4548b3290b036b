"""Builds the tables of docs/catalogue.md from the catalogue's data.

    python scripts/build_catalogue_docs.py [--check]

``--check`` writes nothing, and exits with 1 if the page is not what it would be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from polysee import sources
from polysee.sources import catalogue
from polysee.sources.families import ADAPTERS

PAGE = Path(__file__).parents[1] / "docs" / "catalogue.md"
START, END = "<!-- catalogue:start -->", "<!-- catalogue:end -->"
_MANY = 9


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it. Returns the exit code."""
    wanted = page()
    if PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    if arguments == ["--check"]:
        print(f"{PAGE.name} is out of date\nhint: python scripts/build_catalogue_docs.py", file=sys.stderr)
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    print(PAGE)
    return 0


def page() -> str:
    """docs/catalogue.md with its tables made anew."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    tail = rest.partition(END)[2]
    tables = "\n".join([*_adapters(), "", *_totals(), "", *_datasets()])
    return f"{head}{START}\n\n{tables}\n\n{END}{tail}"


def _adapters() -> Iterator[str]:
    yield "## Adapters\n"
    yield "| `use` | reads | datasets |"
    yield "|---|---|---|"
    for name in sorted(ADAPTERS):
        told = (
            " ".join((sources.get(name).__doc__ or "").split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")
        )
        read = ", ".join(one.name for one in catalogue.search(adapter=name))
        yield f"| `{name}` | {told} | {read} |"


def _totals() -> Iterator[str]:
    yield "## What the papers print, and what their rows come to\n"
    yield "| table | printed | rows |"
    yield "|---|---|---|"
    for one in catalogue.totals():
        printed = f"{one.printed:,}" if one.printed is not None else "no total"
        yield f"| {catalogue.PAPERS[one.paper]}, Table {one.table} | {printed} | {one.rows:,} |"


def _datasets() -> Iterator[str]:
    yield "## Datasets\n"
    yield "| name | title | task | languages | licence | origin | samples | use | adapter |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in catalogue.entries():
        samples = "; ".join(
            f"{n:,} ({catalogue.PAPERS[row.paper]})" for row in one.rows if (n := row.total) is not None
        )
        tags = ", ".join(one.languages) if len(one.languages) < _MANY else f"{len(one.languages)}"
        adapter = f"`{one.adapter}`" if one.adapter else ""
        cells = (f"`{one.name}`", one.title, one.task, tags, one.licence, one.origin, samples, one.use, adapter)
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
