"""Streams raw annotations out of JSON, JSON lines, CSV, Parquet and plain lines, as `Row`s with their places."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import IO, Any

from polysee.schema.errors import BadRecord, MissingExtra, UserError
from polysee.sources.rows import Row, read_rows, unreadable

_LONGEST_CELL = 16 << 20


def records(path: Path, within: str = "") -> Iterator[Row]:
    """The records of a file, by the ending of its name: ``.parquet``, ``.csv``, ``.tsv``, or else JSON.

    ``within``: where in a JSON object they are: ``data.item`` (the list ``data``), ``questions.item``,
    ``*`` (the values of an object, with the key as ``key`` where they have none). Without it the file is a
    JSON array or JSON lines.
    """
    if path.suffix == ".parquet":
        yield from parquet_rows(path)
    elif path.suffix in (".csv", ".tsv"):
        yield from csv_rows(path)
    elif not within:
        yield from read_rows(path)
    elif within.endswith("*"):
        yield from keyed_rows(path, within.removesuffix("*").rstrip("."))
    else:
        yield from json_rows(path, within)


def json_rows(path: Path, within: str) -> Iterator[Row]:
    """The objects at an ijson path such as ``data.item``, one in memory at a time.

    What follows a fault of the file's syntax cannot be found: one row with the error ``bad-json`` says so.
    """
    yield from _json_rows(path, within, keyed=False)


def keyed_rows(path: Path, within: str = "") -> Iterator[Row]:
    """The values of the object at a path, each with its key as the field ``key``; faults as in `json_rows`."""
    yield from _json_rows(path, within, keyed=True)


def values(path: Path, within: str) -> Iterator[Any]:
    """Like `json_rows` for small parts of a file that must be whole. Raises `UserError` where they are not."""
    try:
        for _, value in _pairs(path, within, keyed=False):
            yield value
    except (_ijson().JSONError, UnicodeDecodeError) as error:
        raise UserError(f"this is not whole JSON: {error}", "fetch the file again", place=str(path)) from None


def csv_rows(path: Path) -> Iterator[Row]:
    """The lines of a CSV or TSV file with a head, as objects of text; cells of up to 16 MiB.

    A line with bytes that are no UTF-8 has the error ``invalid-utf8``; those after it are read.
    """
    csv.field_size_limit(_LONGEST_CELL)  # Python's own limit of 128 KiB is less than an article
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
            if reader.fieldnames is None:
                return
            while True:
                place = f"{path.name}:{reader.line_num + 1}"
                try:
                    data = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Row(place, {}, BadRecord("bad-csv", str(error)))
                    continue
                yield Row(place, data, _cell_fault(data))
    except OSError as error:
        raise unreadable(path, error) from error


def _cell_fault(data: dict[Any, Any]) -> BadRecord | None:
    if None in data or None in data.values():
        return BadRecord("bad-csv", "more or fewer cells than the head")
    for name, cell in data.items():
        if not cell.isascii() and any("\ud800" <= char <= "\udfff" for char in cell):
            return BadRecord("invalid-utf8", f"the cell {name!r}")
    return None


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file; pictures stay the bytes that they are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = count(1)
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64):
            for data in batch.to_pylist():
                yield Row(f"{path.name}:{next(number)}", data)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"the table cannot be read: {error}", "fetch it again", place=str(path)) from error


def lines(path: Path) -> Iterator[Row]:
    """The lines of a text file as the field ``line``, empty ones left out."""
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                place = f"{path.name}:{number}"
                try:
                    said = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    yield Row(place, {}, BadRecord("invalid-utf8", f"byte {error.start + 1} of the line"))
                    continue
                if said:
                    yield Row(place, {"line": said, "number": number})
    except OSError as error:
        raise unreadable(path, error) from error


def text_lines(path: Path) -> list[str]:
    """All lines of a text file, without white space at their ends, empty ones kept. Raises `UserError`.

    As in `lines`, only a line feed ends a line: files that run in parallel would part company at a character such as
    U+2028 or U+0085 within a text if it counted as one.
    """
    try:
        said = path.read_text(encoding="utf-8-sig")
        return [line.strip() for line in said.removesuffix("\n").split("\n")] if said else []
    except UnicodeDecodeError as error:
        raise UserError(f"this is not UTF-8: byte {error.start + 1}", "save it as UTF-8", place=str(path)) from None
    except OSError as error:
        raise unreadable(path, error) from error


def side_by_side(first: Iterator[Row], second: Iterator[Row], key: str) -> Iterator[Row]:
    """Rows of two files that share an id, merged; ``first`` gives the order.

    Both are streamed: where they are in one order, as published files are, no more than one row waits. A row of
    ``first`` without a partner has the error ``missing-answer``.
    """
    waiting: dict[object, Row] = {}
    for row in first:
        if row.error is not None:
            yield row
            continue
        wanted = row.data.get(key)
        partner = waiting.pop(wanted, None) if wanted in waiting else _until(second, key, wanted, waiting)
        if partner is None:
            yield Row(row.place, row.data, BadRecord("missing-answer", f"nothing has the {key} {wanted!r}"))
        else:
            yield Row(row.place, {**partner.data, **row.data}, partner.error)


def _until(rows: Iterator[Row], key: str, wanted: object, waiting: dict[object, Row]) -> Row | None:
    for row in rows:
        found = row.data.get(key)
        if found == wanted:
            return row
        if row.error is None and isinstance(found, str | int):
            waiting[found] = row
    return None


def _json_rows(path: Path, within: str, *, keyed: bool) -> Iterator[Row]:
    number, where = 0, within.removesuffix("item").rstrip(".")
    try:
        for number, (key, value) in enumerate(_pairs(path, within, keyed=keyed), 1):
            place = f"{path.name}:{where}[{key if keyed else number}]"
            if isinstance(value, dict):
                yield Row(place, {"key": key, **value} if keyed else value)
            else:
                yield Row(place, {}, BadRecord("not-an-object", f"found a {type(value).__name__}"))
    except (_ijson().JSONError, UnicodeDecodeError) as error:
        detail = f"{' '.join(str(error).split())}; what follows in the file could not be read"
        yield Row(f"{path.name}:{where}[{number + 1}]", {}, BadRecord("bad-json", detail))


def _pairs(path: Path, within: str, *, keyed: bool) -> Iterator[tuple[str, Any]]:
    """Keys and values. ijson's fast numbers end at 64 bits: a file with longer ones is read on with exact ones."""
    ijson, done = _ijson(), 0
    for fast in (True, False):
        with _opened(path) as stream:
            read = ijson.kvitems if keyed else ijson.items
            try:
                for number, one in enumerate(read(stream, within, use_float=fast), 1):
                    if number > done:
                        done = number
                        key, value = one if keyed else ("", one)
                        yield key, value if fast else _plain(value)
            except ijson.JSONError as error:
                if fast and "overflow" in str(error):
                    continue
                raise
            return


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, Decimal) else value


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error
    with stream:
        if stream.read(3) != b"\xef\xbb\xbf":
            stream.seek(0)
        yield stream


def _ijson() -> Any:
    try:
        return importlib.import_module("ijson")
    except ModuleNotFoundError:
        raise MissingExtra("ijson", "data") from None
