"""Builds the tables of keys in docs/recipe.md, and docs/recipe.schema.json, from the recipe's own models.

    python scripts/build_recipe_docs.py [--check]

``--check`` writes nothing, and exits with 1 if one of the two files is not what it would be.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from polysee import scores, sources, transforms
from polysee.recipe.models import Recipe
from polysee.recipe.schema import json_schema
from polysee.store.atomic import to_json

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "recipe.md"
SCHEMA = DOCS / "recipe.schema.json"
START, END = "<!-- keys:start -->", "<!-- keys:end -->"
REGISTRIES = {"sources": sources, "transforms": transforms, "scores": scores}
_LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` compare them. Returns the exit code."""
    wanted = {PAGE: page(), SCHEMA: to_json(json_schema())}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.name} is out of date\nhint: python scripts/build_recipe_docs.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
        print(path)
    return 0


def page() -> str:
    """docs/recipe.md with its tables made anew."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    tail = rest.partition(END)[2]
    tables = "\n".join(_sections())
    return f"{head}{START}\n\n{tables}\n{END}{tail}"


def _sections() -> Iterator[str]:
    yield from _section("The recipe itself", Recipe)
    for name, field in Recipe.model_fields.items():
        for model in _models(field.annotation):
            yield from _tree(f"`{name}`", model, seen=set())
        for part in REGISTRIES[name].names() if name in REGISTRIES else ():
            use = REGISTRIES[name].get(part)
            yield f"### `{name}`, `use: {part}`\n"
            yield f"{_prose(inspect.getdoc(use) or '')}\n"
            told = inspect.cleandoc(use.Params.__doc__ or "")
            if any(f"``{key}``" in told for key in use.Params.model_fields):
                yield f"{_prose(told)}\n"
            yield from _table(use.Params)
            for nested in use.Params.model_fields.values():
                for model in _models(nested.annotation):
                    yield from _tree(f"`{name}`, `use: {part}`", model, seen=set())


def _tree(title: str, model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    yield from _section(f"{title}: {model.__name__}", model)
    seen.add(model)
    for name, field in model.model_fields.items():
        for nested in _models(field.annotation):
            if nested not in seen:
                yield from _tree(f"{title} → `{name}`", nested, seen)


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"### {title}\n"
    yield f"{_prose(inspect.cleandoc(model.__doc__ or ''))}\n"
    yield from _table(model)


def _table(model: type[BaseModel]) -> Iterator[str]:
    if not model.model_fields:
        yield "No parameters.\n"
        return
    said = _attribute_docs(model)
    rows = [
        (name, _kind(f.annotation), _default(f), _limits(f), said.get(name, ""))
        for name, f in model.model_fields.items()
    ]
    with_text = any(row[4] for row in rows)
    yield "| key | type | default | limits |" + (" meaning |" if with_text else "")
    yield "|---|---|---|---|" + ("---|" if with_text else "")
    for name, *cells, text in rows:
        yield f"| `{name}` | {' | '.join(cells)} |" + (f" {text} |" if with_text else "")
    yield ""


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _kind(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(part) for part in parts if part is not type(None))
    if origin in (tuple, list):
        items = [part for part in parts if part is not Ellipsis]
        return f"list of {_kind(items[0])}"
    if origin is dict:
        return f"mapping of {_kind(parts[0])} to {_kind(parts[1])}"
    if origin is not None and parts:
        return _kind(parts[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.__name__
    names = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return names.get(annotation, "any value")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if value == "":
        return "empty"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _limits(field: FieldInfo) -> str:
    found = []
    for entry in field.metadata:
        found += [f"{sign} {getattr(entry, name)}" for name, sign in _LIMITS.items() if hasattr(entry, name)]
        if getattr(entry, "min_length", None):
            found.append("not empty")
        if getattr(entry, "pattern", None):
            found.append(f"`{entry.pattern}`".replace("|", "\\|"))
    return ", ".join(found)


def _attribute_docs(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the string that stands below it in the source, its bases' included."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        assert isinstance(body, ast.ClassDef)
        for line, below in zip(body.body, body.body[1:], strict=False):
            if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[line.target.id] = _cell(inspect.cleandoc(str(below.value.value)))
    return found


def _prose(docstring: str) -> str:
    return docstring.replace("``", "`")


def _cell(docstring: str) -> str:
    return " ".join(_prose(docstring).split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
