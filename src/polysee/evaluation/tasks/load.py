"""Reads task files, and says all that is wrong with one at once, each mistake with file, line and column."""

from __future__ import annotations

import difflib
import json
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from polysee.evaluation.tasks.models import Task, TaskFile
from polysee.schema.document import Document, parse
from polysee.schema.errors import UserError
from polysee.schema.messages import show, translate
from polysee.schema.problems import FileError, Place, Problem

MAX_BYTES = 1 << 20


def builtin_names() -> list[str]:
    """The task files that come with polysee, by the names that `find` takes."""
    found = (path.name for path in files("polysee.evaluation.tasks").joinpath("builtin").iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def find(name: str) -> Path:
    """The path of a task file, given as such or by the name of one that comes with polysee.

    Raises `UserError` where there is none.
    """
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    if name in builtin_names():
        return Path(str(files("polysee.evaluation.tasks").joinpath("builtin", f"{name}.yaml")))
    near = difflib.get_close_matches(name, builtin_names(), n=1)
    known = f"name a YAML file, or one of: {', '.join(builtin_names())}"
    raise UserError(f"no task file is called {name!r}", f"did you mean {near[0]!r}?" if near else known)


def load_tasks(name: str) -> tuple[Task, ...]:
    """The tasks of a file (see `find`). Raises `FileError` with every mistake, `UserError` for no readable file."""
    return load_document(name)[0].tasks


def load_document(name: str) -> tuple[TaskFile, Document]:
    """As `load_tasks`, with the text's places for further checks."""
    document = _read(find(name))
    if not isinstance(document.value, dict):
        cause = f"a task file is a mapping of keys to values, this is {show(document.value)}"
        raise FileError([*document.problems, document.problem((), cause, "start with `tasks:`")])
    try:
        loaded = TaskFile.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        raise FileError([*document.problems, *translate(error, TaskFile.model_json_schema(), document)]) from None
    if document.problems:
        raise FileError(list(document.problems))
    return loaded, document


def _read(path: Path) -> Document:
    try:
        data = path.read_bytes()
    except OSError as error:
        cause = f"the task file cannot be read ({(error.strerror or 'unknown').lower()})"
        fix = f"check its path, or use one of: {', '.join(builtin_names())}"
        raise UserError(cause, fix, place=str(path)) from None
    if len(data) > MAX_BYTES:
        raise UserError(f"{len(data):,} bytes are too many for a task file", "name a task file", place=str(path))
    try:
        return parse(data.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", errors="replace")
        place = Place(str(path), before.count("\n") + 1, len(before) - before.rfind("\n"))
        problem = Problem(place, (), f"the byte 0x{data[error.start]:02X} is not UTF-8", "save the file as UTF-8")
        raise FileError([problem]) from None
