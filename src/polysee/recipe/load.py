"""Reads a recipe, and says all that is wrong with it at once, each mistake with file, line and column."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polysee import scores, sources, transforms
from polysee.recipe.checks import cross_findings, entries
from polysee.recipe.filters import filter_problems
from polysee.recipe.hiding import hide_secrets
from polysee.recipe.models import CROSS_ERROR, Recipe
from polysee.recipe.overrides import apply_overrides
from polysee.recipe.problems import Keys, Place, Problem, RecipeError
from polysee.schema.document import Document, parse
from polysee.schema.errors import UserError
from polysee.schema.messages import show, translate

MAX_BYTES = 1 << 20
"""A recipe of more than one MiB is some other file."""

_REGISTRIES = {"sources": sources.get, "transforms": transforms.get, "scores": scores.get}


def load_recipe(path: Path | str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML file, with ``--set`` changes (``a.b=value``), checked, its parameters' defaults filled in.

    Raises `RecipeError` (a `UserError`) with every mistake; its ``place`` is that of the first.
    """
    document = apply_overrides(_read(Path(path)), overrides)
    document, hidden = hide_secrets(document)
    first = [*hidden, *document.problems]
    problems: list[Problem] = []
    if not isinstance(document.value, dict):
        cause = f"a recipe is a mapping of keys to values, this is {show(document.value)}"
        raise RecipeError([*first, document.problem((), cause, "start with `name: my-run`")])
    recipe = _validated(document, problems)
    resolved = _resolve_params(document, problems)
    problems += [document.problem(f.keys, f.cause, f.fix) for f in cross_findings(document.value)]
    problems += filter_problems(document)
    if first or problems:
        # A value that was hidden or replaced cannot be judged again: it may have the wrong form for that reason alone.
        replaced = {problem.keys for problem in first}
        raise RecipeError([*first, *(problem for problem in problems if problem.keys not in replaced)])
    assert recipe is not None
    tree = recipe.model_dump(mode="json")
    for (section, index), params in resolved.items():
        tree[section][index]["params"] = params
    return Recipe.model_validate_json(json.dumps(tree), strict=True)


@contextmanager
def placed(path: Path | str, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Within it, a `UserError` about a file or folder that a source of the recipe names says also where it does so."""
    document = apply_overrides(_read(Path(path)), overrides)
    try:
        yield
    except RecipeError:
        raise
    except UserError as error:
        keys = next((keys for keys, value in _named_paths(document.value) if value == error.place), None)
        if keys is None:
            raise
        raise RecipeError([document.problem(keys, f"{error.place}: {error.cause}", error.fix)]) from error


def _named_paths(tree: Any) -> Iterator[tuple[Keys, str]]:
    """The texts among the sources' parameters, as they are where they are paths."""
    for index, entry in entries(tree, "sources"):
        params = entry.get("params")
        for name, value in params.items() if isinstance(params, dict) else ():
            if isinstance(value, str) and "\0" not in value:
                yield ("sources", index, "params", name), os.path.expanduser(os.path.normpath(value))


def _read(path: Path) -> Document:
    file = str(path)
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise UserError("this is a directory", "name the recipe file itself", place=file) from None
    except FileNotFoundError:
        raise UserError("there is no such file", "check the path of the recipe", place=file) from None
    except OSError as error:
        cause = f"cannot be read: {(error.strerror or str(error)).lower()}"
        raise UserError(cause, "check the path and its permissions", place=file) from None
    if len(data) > MAX_BYTES:
        raise UserError(f"{len(data):,} bytes are too many for a recipe", "name a recipe file", place=file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", errors="replace")
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        cause = f"the byte 0x{data[error.start]:02X} is not UTF-8"
        raise RecipeError([Problem(place, (), cause, "save the file as UTF-8")]) from None
    document = parse(text, file)
    if document.value is None:
        raise RecipeError([Problem(Place(file, 1, 1), (), "the recipe is empty", "start with `name: my-run`")])
    return document


def _validated(document: Document, problems: list[Problem]) -> Recipe | None:
    # JSON mode makes strictness usable: a list may be a tuple, but "5" is no number and true is no 1.
    try:
        return Recipe.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        if all(detail["type"] != CROSS_ERROR for detail in error.errors()):
            problems += translate(error, Recipe.model_json_schema(), document)
        return None


def _resolve_params(document: Document, problems: list[Problem]) -> dict[tuple[str, int], Any]:
    """The complete parameters of each step; its mistakes go to ``problems``."""
    resolved: dict[tuple[str, int], Any] = {}
    for section, index, entry in _steps(document.value):
        use, params = entry.get("use"), entry.get("params", {})
        if not isinstance(use, str) or not isinstance(params, dict):
            continue
        try:
            model = _REGISTRIES[section](use).Params
        except UserError as error:
            problems.append(document.problem((section, index, "use"), error.cause, error.fix))
            continue
        try:
            resolved[section, index] = model.model_validate_json(json.dumps(params), strict=True).model_dump(
                mode="json"
            )
        except ValidationError as error:
            problems += translate(error, model.model_json_schema(), document, (section, index, "params"))
    return resolved


def _steps(tree: Any) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for section in _REGISTRIES:
        for index, entry in entries(tree, section):
            yield section, index, entry


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_OTHER_YAML = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)
"""What YAML 1.1 readers take for something else than text: the language code of Norwegian, for one."""


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every default written out; `load_recipe` reads it back equal."""
    return "\n".join(_lines(recipe.model_dump(mode="json"), "")) + "\n"


def _lines(node: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(item, dict | list) and item for item in value):
            yield f"{indent}{_scalar(key)}:"
            for item in value:
                yield from _item(item, indent + "  ")
        else:
            yield f"{indent}{_scalar(key)}: {_flow(value)}"


def _item(item: Any, indent: str) -> Iterator[str]:
    if not isinstance(item, dict) or not item:
        yield f"{indent}- {_flow(item)}"
        return
    for number, line in enumerate(_lines(item, indent + "  ")):
        yield f"{indent}- {line[len(indent) + 2 :]}" if number == 0 else line


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: bool | int | float | str | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # A YAML 1.1 reader wants the point before the exponent.
        mantissa, e, exponent = repr(value).partition("e")
        return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)
    if isinstance(value, int):
        return str(value)
    if _PLAIN.fullmatch(value) and not _OTHER_YAML.fullmatch(value):
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
