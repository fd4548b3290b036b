"""From a translation back to the sample that it was translated from, through the versions of a run's samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from polysee.scores.base import TRANSLATED_FROM
from polysee.store import tables
from polysee.store.manifest import Manifest

NEEDED = ("language", "origins", "tags")
"""Columns of a row whose origin is looked for."""


def given_to_transforms(chain: Sequence[Manifest]) -> tuple[int, ...]:
    """Versions of the samples that the transforms among the data steps ``chain`` had before them, the latest first.

    Whatever a transform made, its parent is in the version that it was given.
    """
    given = [before.samples for before, after in pairwise(chain) if after.verb == "transform"]
    return tuple(dict.fromkeys(version for version in reversed(given) if version is not None))


def translated_from(samples: Path, versions: Sequence[int], table: pa.Table) -> pa.Array:
    """For each row of ``table`` the nearest of its ancestors in another language, as `TRANSLATED_FROM` has it.

    ``versions``: as `given_to_transforms` lists them. Only rows with a tag ``translated_from:`` are looked for; other
    steps may have changed them since they were translated.
    """
    languages: list[str] = table.column("language").to_pylist()
    found: list[dict[str, Any] | None] = [None] * table.num_rows
    wanted: dict[str, list[int]] = {}
    lineage = zip(table.column("tags").to_pylist(), table.column("origins").to_pylist(), strict=True)
    for row, (tags, origins) in enumerate(lineage):
        if any(tag.startswith("translated_from:") for tag in tags):
            wanted.setdefault(origins[0]["parent"], []).append(row)
    wanted.pop("", None)
    for version in versions if wanted else ():
        for ancestor in list(_rows(samples, version, wanted)):
            for row in wanted.pop(ancestor["id"]):
                if ancestor["language"] != languages[row]:
                    found[row] = {"language": ancestor["language"], "turns": ancestor["turns"]}
                elif ancestor["origins"][0]["parent"]:
                    wanted.setdefault(ancestor["origins"][0]["parent"], []).append(row)
        if not wanted:
            break
    return pa.array(found, TRANSLATED_FROM.type)


def _rows(samples: Path, version: int, wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The samples with the ids ``wanted``, as far as this version has them."""
    dataset = tables.open_at(samples, version)
    ids = pa.array(list(wanted), pa.string())
    places: list[int] = []
    start = 0
    for batch in dataset.to_batches(columns=["id"]):
        places += (start + row for row in pc.indices_nonzero(pc.is_in(batch.column("id"), ids)).to_pylist())
        start += batch.num_rows
    if places:
        yield from dataset.take(places, columns=["id", "language", "turns", "origins"]).to_pylist()
