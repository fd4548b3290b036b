"""Tries each select's predicate on an empty table, so that a misspelt column shows before anything runs."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from polysee import scores
from polysee.recipe.checks import entries
from polysee.recipe.problems import Problem
from polysee.schema.arrow import SAMPLE_SCHEMA
from polysee.schema.document import Document
from polysee.schema.errors import UserError
from polysee.schema.messages import nearest
from polysee.store.tables import lance

_QUOTED = re.compile(r"'(?:[^']|'')*'")
_LANCE_PATH = re.compile(r",? /\S+\.rs:\d+:\d+")


def filter_problems(document: Document) -> list[Problem]:
    """What is wrong with the ``where`` of each select, and with the columns that the scores add."""
    problems: list[Problem] = []
    schema = _columns(document, problems)
    if schema is None:
        return problems
    for index, entry in entries(document.value, "select"):
        name, where = entry.get("name"), entry.get("where")
        if isinstance(where, str) and where:
            fault = _fault(where, schema)
            if fault is not None:
                problems.append(document.problem(("select", index, "where"), *fault))
        if isinstance(name, str):
            schema = _with(schema, pa.field(f"keep_{name}", pa.bool_()))
    return problems


def _columns(document: Document, problems: list[Problem]) -> pa.Schema | None:
    """The columns of a sample and of every score, or None where a score is not known (nothing can be said then)."""
    schema = SAMPLE_SCHEMA
    for index, entry in entries(document.value, "scores"):
        try:
            outputs = scores.get(str(entry.get("use"))).outputs
        except UserError:
            # Reported where the step's parameters are checked.
            return None
        for column in outputs:
            if column.name in schema.names or column.name.startswith("keep_"):
                cause = f"the column `{column.name}` that this score adds exists already"
                problems.append(document.problem(("scores", index), cause, "use each score once"))
            schema = _with(schema, column)
    return schema


def _with(schema: pa.Schema, column: pa.Field) -> pa.Schema:
    return schema if column.name in schema.names else schema.append(column)


def _fault(where: str, schema: pa.Schema) -> tuple[str, str] | None:
    """Cause and fix of what keeps ``where`` from being a predicate over the columns of ``schema``."""
    if ";" in _QUOTED.sub("", where):
        return "a predicate has no `;`", "write one condition, such as `language = 'ar'`"
    empty: Any = lance().write_dataset(schema.empty_table(), "memory://polysee-filter")
    try:
        empty.scanner(filter=where, columns=["id"]).to_table()
    except (ValueError, OSError) as error:
        return _explained(str(error), schema)
    return None


def _explained(message: str, schema: pa.Schema) -> tuple[str, str]:
    unknown = re.search(r"No field named \"?([^\s\"]+?)\"?\.(?:\s|$)", message)
    if unknown is not None:
        word = unknown.group(1)
        return f"there is no column `{word}`", nearest(word, schema.names, "columns")
    if "does not return a boolean" in message:
        return "this is not a condition", "compare something, such as `quality >= 0.85`"
    short = _LANCE_PATH.sub("", message).replace("Invalid user input: ", "")
    short = re.sub(r"Error parsing statement: .*?\((.*)\)", r"\1", short).strip().rstrip(".")
    return (
        f"this is not a valid SQL condition: {short}",
        "write a condition, such as `language = 'ar' AND quality >= 0.85`",
    )
