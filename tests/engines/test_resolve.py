"""Decisions about equal samples against a plain model of the rule, for any arrangement of units."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.engines.publish import changed, groups
from polysee.engines.resolve import StagedPart, resolve
from polysee.engines.staging import staged_schema
from polysee.schema.arrow import SAMPLE_SCHEMA

Item = tuple[int, bool]
"""The content's number, and whether the row is for training."""


def part(folder: Path, number: int, items: list[Item]) -> StagedPart:
    rows = [
        {
            "id": sha256(str(content).encode()).hexdigest()[:32],
            "task": "naming",
            "language": "ar",
            "media": [],
            "instruction": "",
            "turns": [{"input": "", "output": f"كلمة {content}"}],
            "options": [],
            "origins": [
                dict.fromkeys(("licence", "parent", "step", "service", "model", "parameters"), "")
                | {"source": "s", "key": f"{number}/{at}"}
            ],
            "split": "train" if train else "scenes",
            "tags": [],
            "_input": at,
            "_input_language": "ar",
        }
        for at, (content, train) in enumerate(items)
    ]
    schema = staged_schema(SAMPLE_SCHEMA)
    path = folder / f"{number}.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for row in rows:
            writer.write_batch(pa.RecordBatch.from_pylist([row], schema=schema))
    return StagedPart(path)


def model(units: list[list[Item]]) -> list[tuple[int, list[str]]]:
    """Contents in order with the keys of their origins."""
    held_out = {content for unit in units for content, train in unit if not train}
    found: dict[int, list[str]] = {}
    for number, unit in enumerate(units):
        for at, (content, train) in enumerate(unit):
            if not (train and content in held_out):
                found.setdefault(content, []).append(f"{number}/{at}")
    return list(found.items())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=6), min_size=1, max_size=4))
def test_against_the_rule(units: list[list[Item]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        parts = [part(Path(name), number, unit) for number, unit in enumerate(units)]
        found = resolve("demo", parts, unique_keys=True)
        rows = [
            row
            for one, changes in zip(parts, found.changes, strict=True)
            for batch in changed(one.batches(), changes, SAMPLE_SCHEMA)
            for row in batch.to_pylist()
        ]
    kept = [(int(row["turns"][0]["output"].split()[1]), [o["key"] for o in row["origins"]]) for row in rows]
    assert kept == model(units)
    inputs = sum(map(len, units))
    assert found.tally.total("out") + found.tally.total("dropped") == inputs
    assert found.tally.total("out") == found.tally.total("made") == len(rows)
    assert found.tally.reasons()["also-in-evaluation"] == len(found.rejects)
    assert found.duplicate_keys == 0


@given(st.lists(st.integers(0, 20), max_size=30), st.integers(1, 25))
def test_groups_cover_all_parts_in_order(sizes: list[int], target: int) -> None:
    found = groups(sizes, target)
    assert [index for group in found for index in group] == list(range(len(sizes)))
    for group in found[:-1]:
        assert sum(sizes[index] for index in group) >= target
        assert sum(sizes[index] for index in group[:-1]) < target


@pytest.mark.parametrize("passing_first", [True, False])
def test_a_dropped_sample_does_not_swallow_a_live_one(tmp_path: Path, passing_first: bool) -> None:
    parts = [part(tmp_path, 0, [(1, True)]), part(tmp_path, 1, [(1, True)])]
    table = pa.Table.from_batches(parts[0].batches())
    table = table.set_column(table.schema.get_field_index("_input"), table.schema.field("_input"), pa.array([[-1]][0]))
    with pa.OSFile(str(parts[0].file) + "2", "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    passing, live = StagedPart(Path(str(parts[0].file) + "2")), parts[1]
    ordered = [passing, live] if passing_first else [live, passing]
    found = resolve("demo", ordered, unique_keys=False)
    assert [bool(changes.drop) for changes in found.changes] == [passing_first, not passing_first]
