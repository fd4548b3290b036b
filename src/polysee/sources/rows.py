"""JSON objects out of JSON-lines files and JSON arrays, streamed, with their line numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from polysee.schema.errors import BadRecord, UserError

_CHUNK = 1 << 20
_LONGEST = 64 << 20
_GAP = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file as it was read: ``data``, or why there is none. ``place`` is ``file:line``."""

    place: str
    data: dict[str, Any]
    error: BadRecord | None = None


def read_rows(path: Path) -> Iterator[Row]:
    """The objects of a JSON-lines file or a JSON array, whichever it is, in order.

    A line that is not UTF-8, not JSON or not an object yields a row with an error and reading goes on. In an array
    the records before a fault are good, and those after it cannot be found: the row with the error says so.
    Raises `UserError` if the file itself cannot be read.
    """
    try:
        yield from _read(path)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> UserError:
    """What to say of a dataset's file that the system does not give."""
    cause = f"cannot be read: {(error.strerror or str(error)).lower()}"
    return UserError(cause, "check the file and its permissions", place=str(path))


def _read(path: Path) -> Iterator[Row]:
    with path.open("rb") as stream:
        start = stream.read(_CHUNK).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        yield Row(path.name, {}, BadRecord("empty-file", "the file has no record"))
    elif start.startswith(b"["):
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            yield from _array(text, path.name)
    else:
        yield from _lines(path)


def _lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield _line(f"{path.name}:{number}", line)


def _line(place: str, line: bytes) -> Row:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return Row(place, {}, BadRecord("invalid-utf8", f"byte {error.start + 1} of the line"))
    except (ValueError, RecursionError) as error:
        return Row(place, {}, BadRecord("bad-json", str(error)))
    return _row(place, value)


def _row(place: str, value: object) -> Row:
    if isinstance(value, dict):
        return Row(place, value)
    return Row(place, {}, BadRecord("not-an-object", f"found a {type(value).__name__}"))


def _array(stream: TextIO, name: str) -> Iterator[Row]:
    decode = json.JSONDecoder().raw_decode
    buffer, at, line = stream.read(_CHUNK), 0, 1
    opening = buffer.index("[") + 1
    line, at = line + buffer.count("\n", 0, opening), opening
    while True:
        gap = _GAP.match(buffer, at)
        assert gap is not None
        line, at = line + buffer.count("\n", at, gap.end()), gap.end()
        if at < len(buffer) and buffer[at] == "]":
            return
        try:
            value, end = decode(buffer, at)
        except (ValueError, RecursionError) as error:
            more = stream.read(_CHUNK) if len(buffer) - at < _LONGEST else ""
            if more:
                buffer, at = buffer[at:] + more, 0
                continue
            detail = f"{error}; what follows in the file could not be read"
            yield Row(f"{name}:{line}", {}, BadRecord("bad-json", detail))
            return
        if end == len(buffer) and (more := stream.read(_CHUNK)):  # a number may go on in the next chunk
            buffer, at = buffer[at:] + more, 0
            continue
        yield _row(f"{name}:{line}", value)
        line, at = line + buffer.count("\n", at, end), end
