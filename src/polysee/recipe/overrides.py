"""``--set a.b=value``: changes to a recipe from the command line."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from polysee.recipe.problems import Keys, Place, Problem, RecipeError
from polysee.schema.document import Document, has, parse
from polysee.schema.secrets import HIDDEN, looks_secret

_FORM = "write --set key.key=value, for instance --set stages.align.steps=5"


def apply_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """The document with each ``key.key=value`` put in; what cannot be put in becomes one of its problems.

    List entries go by index (``stages.0.steps``) or by name (``stages.align.steps``); values are YAML 1.2.
    """
    value = copy.deepcopy(document.value) if document.value is not None else {}
    keys, values, problems = dict(document.keys), dict(document.values), list(document.problems)
    for item in overrides:
        name, equals, text = item.partition("=")
        name = name.strip()
        place = Place(f"--set {HIDDEN if looks_secret(name) else name}")
        if not equals or not all(name.split(".")):
            problems.append(Problem(place, (), "this is not of the form key=value", _FORM))
            continue
        try:
            parsed = parse(text, str(place), fixed_place=True)
            path = _put(value, name.split("."), parsed.value, place)
        except RecipeError as error:
            problems += error.problems
            continue
        problems += [replace(problem, keys=path + problem.keys) for problem in parsed.problems]
        for places in (keys, values):
            for old in [old for old in places if old[: len(path)] == path]:
                del places[old]
        for end in range(1, len(path) + 1):
            values.setdefault(path[:end], place)
        keys[path] = place
    return Document(document.file, value, keys, values, tuple(problems))


def _put(root: Any, names: Sequence[str], value: Any, place: Place) -> Keys:
    """Set ``value`` in ``root`` in place and return its keys. Raises `RecipeError` where the way does not exist."""
    node, path = root, tuple[str | int, ...]()
    for position, name in enumerate(names):
        key = _index(node, name, path, place) if isinstance(node, list) else name
        if not isinstance(node, dict | list):
            label = ".".join(map(str, path)) or "the recipe"
            raise RecipeError([Problem(place, path, f"{label} is a single value and has no key `{name}`", _FORM)])
        path = (*path, key)
        if position == len(names) - 1:
            node[key] = value  # type: ignore[index]
        else:
            if not has(node, key) or node[key] is None:  # type: ignore[index]
                node[key] = {}  # type: ignore[index]
            node = node[key]  # type: ignore[index]
    return path


def _index(entries: list[Any], name: str, path: Keys, place: Place) -> int:
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    if name in names:
        return names.index(name)
    if name.isascii() and name.isdigit() and int(name) < len(entries):
        return int(name)
    known = [known for known in names if isinstance(known, str)]
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"did you mean `{near[0]}`?" if near else f"entries: {', '.join(known) or f'0 to {len(entries) - 1}'}"
    label = ".".join(map(str, path))
    raise RecipeError([Problem(place, path, f"{label} has no entry `{name}`", fix)])
