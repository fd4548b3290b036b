"""A hash of a dataset's content that does not depend on the order of its rows, nor on how they are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import pyarrow as pa


def hash_rows(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
    """SHA-256 over the sorted hashes of all rows, each over all its columns by name; 64 hex digits.

    The names of the columns count too, so that an empty dataset with another column is another dataset.
    """
    rows: list[bytes] = []
    for batch in batches:
        for row in batch.to_pylist():
            text = json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_hex)
            rows.append(hashlib.sha256(text.encode()).digest())
    total = hashlib.sha256(json.dumps(sorted(schema.names), ensure_ascii=False).encode())
    for digest in sorted(rows):
        total.update(digest)
    return total.hexdigest()


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"a column of {type(value).__name__} has no stable text")
