"""The few Lance operations that a run needs. Lance is imported when the first one is called."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from polysee.store.atomic import crash_point, sync_file, sync_folder, user_errors

ROWS_PER_FRAGMENT = 16_384
"""A fragment is the unit of work of later steps: large enough to be worth a process's while, small enough to hold."""


def lance() -> Any:
    """The Lance module. Its habit of logging a line for each new dataset is turned off."""
    os.environ.setdefault("LANCE_LOG", "error")
    import lance as module

    return module


def exists(path: Path, version: int | None = None) -> bool:
    """Whether there is a dataset at ``path``, with that version if one is named."""
    if not (path / "_versions").is_dir():
        return False
    try:
        lance().dataset(str(path), version=version)
    except (ValueError, OSError):
        return False
    return True


def open_at(path: Path, version: int | None = None) -> Any:
    """The dataset at ``path``, as it was at ``version`` (the newest by default)."""
    return lance().dataset(str(path), version=version)


def write_fragments(
    path: Path, rows: pa.Table | pa.RecordBatchReader, schema: pa.Schema, *, fresh: bool
) -> tuple[str, ...]:
    """Write rows as fragments that nobody sees until `publish` names them; returns their JSON.

    ``fresh``: the fragments will make up a whole new dataset; otherwise they will be appended to the one at ``path``,
    whose newest version must have ``schema``. Raises `UserError` for a full disk or an unwritable folder.
    """
    lance()
    from lance.fragment import write_fragments as write

    with user_errors(path):
        found = write(
            rows, str(path), schema=schema, mode="overwrite" if fresh else "append", max_rows_per_file=ROWS_PER_FRAGMENT
        )
        for fragment in found:
            _sync_data(path, fragment)
    crash_point()
    return tuple(json.dumps(fragment.to_json(), sort_keys=True) for fragment in found)


def _sync_data(path: Path, fragment: Any) -> None:
    for file in fragment.files:
        sync_file(path / "data" / file.path)


def fragments_present(path: Path, fragments: Iterable[str]) -> bool:
    """Whether the data files of journaled fragments are all there, with their full size."""
    for text in fragments:
        for file in json.loads(text)["files"]:
            data = path / "data" / file["path"]
            if not data.is_file() or data.stat().st_size != file["file_size_bytes"]:
                return False
    return True


def publish(path: Path, fragments: Sequence[str], schema: pa.Schema, *, fresh: bool) -> int:
    """One commit that makes the fragments the dataset (``fresh``) or adds them to it; returns the new version."""
    module = lance()
    operation = module.LanceOperation
    made = [module.FragmentMetadata.from_json(text) for text in fragments]
    if not fresh and not made:
        return int(open_at(path).version)
    change = operation.Overwrite(schema, made) if fresh else operation.Append(made)
    before = int(open_at(path).version) if exists(path) else None
    return _commit(path, change, before)


def publish_columns(path: Path, fragments: Sequence[str], columns: pa.Schema) -> int:
    """One commit that gives the dataset the fragments' new columns; returns the new version."""
    if not fragments:
        return add_null_columns(path, columns)
    module = lance()
    from lance.schema import LanceSchema

    before = open_at(path)
    # The fragments name columns by number; numbers are given in order, as no column is ever removed.
    assert LanceSchema.from_pyarrow(before.schema) == before.lance_schema
    schema = LanceSchema.from_pyarrow(pa.schema([*before.schema, *columns]))
    made = [module.FragmentMetadata.from_json(text) for text in fragments]
    return _commit(path, module.LanceOperation.Merge(made, schema), int(before.version))


def _commit(path: Path, change: Any, read_version: int | None) -> int:
    crash_point()
    with user_errors(path):
        dataset = lance().LanceDataset.commit(str(path), change, read_version=read_version)
        sync_dataset(path)
    crash_point()
    return int(dataset.version)


def add_sql_column(path: Path, name: str, expression: str) -> int:
    """Add a column computed by Lance from an SQL expression, in one commit; returns the new version."""
    crash_point()
    dataset = open_at(path)
    with user_errors(path):
        dataset.add_columns({name: expression})
        sync_dataset(path)
    crash_point()
    return int(dataset.version)


def add_null_columns(path: Path, columns: pa.Schema) -> int:
    """Add columns that are null throughout, in one commit; returns the new version."""
    crash_point()
    dataset = open_at(path)
    with user_errors(path):
        dataset.add_columns(columns)
        sync_dataset(path)
    crash_point()
    return int(dataset.version)


def add_fragment_columns(path: Path, version: int, fragment_id: int, columns: pa.Table) -> str:
    """Write new columns for one fragment, unseen until `publish_columns`; returns the fragment's JSON.

    ``columns`` has one row for each row of the fragment, in order.
    """
    fragment = open_at(path, version).get_fragment(fragment_id)
    with user_errors(path):
        metadata, _ = fragment.merge_columns(columns.to_reader())
        _sync_data(path, metadata)
    crash_point()
    return json.dumps(metadata.to_json(), sort_keys=True)


def sync_dataset(path: Path) -> None:
    """Make the newest commit durable: Lance itself leaves that to the operating system."""
    for name in ("_transactions", "_versions"):
        folder = path / name
        if folder.is_dir():
            newest = max(folder.iterdir(), key=lambda p: p.stat().st_mtime_ns, default=None)
            if newest is not None:
                sync_file(newest)
            sync_folder(folder)
    sync_folder(path)


def restore(path: Path, version: int) -> None:
    """Make the dataset's newest version equal to ``version``."""
    dataset = open_at(path)
    if dataset.version == version:
        return
    crash_point()
    with user_errors(path):
        open_at(path, version).restore()
        sync_dataset(path)
    crash_point()


def tidy(path: Path, versions: Iterable[int]) -> None:
    """Remove every version but ``versions`` and the newest, and data files that no version names.

    Only for the holder of the run's lock, and only when no journaled fragment waits for its commit.
    """
    if not exists(path):
        return
    dataset = open_at(path)
    wanted = {f"step-{version}": version for version in versions}
    crash_point()
    with user_errors(path):
        held = dataset.tags.list()
        for name in sorted(set(held) - set(wanted)):
            dataset.tags.delete(name)
        for name in sorted(set(wanted) - set(held)):
            dataset.tags.create(name, wanted[name])
        crash_point()
        dataset.cleanup_old_versions(
            older_than=timedelta(0), delete_unverified=True, error_if_tagged_old_versions=False
        )
    crash_point()
