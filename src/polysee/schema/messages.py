"""Says pydantic's errors in the words of someone who writes a recipe or a task."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from polysee.schema.document import Document, child, has
from polysee.schema.problems import Keys, Problem

Schema = Mapping[str, Any]
"""A JSON schema as pydantic writes it."""

_TYPE_NAMES = {"string": "text", "boolean": "true or false", "null": "nothing", "object": "a mapping"}


def translate(error: ValidationError, schema: Schema, document: Document, base: Keys = ()) -> list[Problem]:
    """One problem for each place that ``error`` speaks of. ``base``: where the validated part stands in the file;
    ``schema``: the JSON schema of that part's model."""
    problems: dict[Keys, Problem] = {}
    details = error.errors(include_url=False)
    places = [_existing(document.value, base, detail) for detail in details]
    for detail, keys in zip(details, places, strict=True):
        if detail["type"].endswith("_type") and any(other[: len(keys)] == keys != other for other in places):
            # A branch of a union that wants something else: the branch for such a value found faults within it.
            continue
        if detail["type"] == "too_short" and len(_at(document.value, keys)) >= detail["ctx"]["min_length"]:
            # Long enough, but for entries that are wrong and have errors of their own.
            continue
        # The branches of a union each complain about the same value: `expected` names all of them anyway.
        problems.setdefault(keys, _problem(detail, keys, schema, document, base))
    return list(problems.values())


def resolve(schema: Schema, node: Schema) -> Schema:
    """Follow ``$ref``, and pass through ``anyOf`` where null is the only alternative."""
    while True:
        if "$ref" in node:
            node = schema["$defs"][str(node["$ref"]).rsplit("/", 1)[-1]]
        elif len(rest := [n for n in node.get("anyOf", ()) if n.get("type") != "null"]) == 1:
            node = rest[0]
        else:
            return node


def lookup(schema: Schema, keys: Keys, tree: Any = None) -> Schema:
    """The schema of the value at ``keys``; ``{}`` where the schema says nothing about it.

    ``tree``: the value that the schema is of; it says which branch of a union told apart by a key is meant.
    """
    node: Schema = schema
    for key in keys:
        node = _branch(schema, resolve(schema, node), tree)
        tree = child(tree, key)
        if isinstance(key, int):
            prefix = node.get("prefixItems", ())
            found = prefix[key] if key < len(prefix) else node.get("items")
        else:
            found = node.get("properties", {}).get(key, node.get("additionalProperties"))
        if not isinstance(found, Mapping):
            return {}
        node = found
    return node


def _branch(schema: Schema, node: Schema, value: Any) -> Schema:
    told_apart = node.get("discriminator")
    if told_apart is None:
        return node
    reference = told_apart["mapping"].get(str(child(value, told_apart["propertyName"])))
    return node if reference is None else resolve(schema, {"$ref": reference})


def known_keys(schema: Schema, keys: Keys, tree: Any = None) -> list[str]:
    """The keys that the mapping at ``keys`` may have. ``tree`` as in `lookup`."""
    value = _at(tree, keys)
    node = _branch(schema, resolve(schema, lookup(schema, keys, tree)), value)
    names = resolve(schema, node.get("propertyNames", {})).get("enum", ())
    return [*node.get("properties", ()), *names]


def expected(schema: Schema, node: Schema) -> str:
    """What a value must be, in words: ``a whole number from 1 to 40``."""
    if "$ref" in node:
        return expected(schema, resolve(schema, node))
    for several in ("anyOf", "oneOf"):
        if several in node:
            return " or ".join(dict.fromkeys(expected(schema, option) for option in node[several]))
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return "one of " + ", ".join(f"`{value}`" for value in node["enum"])
    kind = node.get("type")
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _range(node)
    if kind == "array":
        return _expected_list(schema, node)
    if kind == "string" and "pattern" in node:
        return f"text of the form {_form(node['pattern'])}"
    if kind == "string" and node.get("minLength"):
        return "text that is not empty"
    return _TYPE_NAMES.get(str(kind), "a value")


def show(value: Any) -> str:
    """A value in a message, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "an empty list" if not value else f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]


def nearest(word: str, words: list[str], what: str) -> str:
    """A fix that proposes the word that was meant, or else tells all words. ``what``: "known keys"."""
    near = difflib.get_close_matches(word, words, n=1) or difflib.get_close_matches(
        word.lower().replace("-", "_"), words, n=1, cutoff=0.5
    )
    if near:
        return f"did you mean `{near[0]}`?"
    return f"{what}: {', '.join(words)}" if words else "remove it"


def _problem(detail: ErrorDetails, keys: Keys, schema: Schema, document: Document, base: Keys) -> Problem:
    kind = detail["type"]
    local = keys[len(base) :]
    tree = _at(document.value, base)
    node = lookup(schema, local, tree)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _kind(detail, keys, resolve(schema, node), document)
    if detail["loc"][-1:] == ("[key]",) and kind == "value_error":
        cause, _, fix = _own_words(detail).partition("; ")  # as the validators of keys part them
        return document.problem(keys, cause, fix or "change the key", of_key=True)
    if kind == "extra_forbidden" or detail["loc"][-1:] == ("[key]",):
        fix = nearest(str(keys[-1]), known_keys(schema, local[:-1], tree), "known keys")
        return document.problem(keys, "unknown key", fix, of_key=True)
    if kind == "missing":
        fix = f"add `{keys[-1]}`: {expected(schema, node)}"
        return document.problem(keys, "missing", fix)
    value = _at(document.value, keys)
    if kind in ("value_error", "assertion_error") or kind.startswith("polysee"):
        return _own_check(detail, keys, value, document)
    what = expected(schema, node)
    if what == "a value":
        cause = f"{_lower(detail['msg'])}, not {show(value)}"
    elif kind == "too_short":
        cause = f"expected at least {detail.get('ctx', {}).get('min_length', 1)} entry, got {show(value)}"
    else:
        cause = f"expected {what}, got {show(value)}"
    return document.problem(keys, cause, _fix(value, what, node, schema))


def _kind(detail: ErrorDetails, keys: Keys, node: Schema, document: Document) -> Problem:
    """A mapping whose sort is told by one of its keys, and that key is missing or wrong."""
    context = detail["ctx"]
    field = str(context["discriminator"]).strip("'")
    tags = list(node["discriminator"]["mapping"])
    if detail["type"] == "union_tag_not_found":
        return document.problem((*keys, field), "missing", f"add `{field}`: {' or '.join(f'`{tag}`' for tag in tags)}")
    cause = f"expected one of {', '.join(f'`{tag}`' for tag in tags)}, got {show(context['tag'])}"
    return document.problem((*keys, field), cause, nearest(str(context["tag"]), tags, "choose one of"))


def _own_check(detail: ErrorDetails, keys: Keys, value: Any, document: Document) -> Problem:
    """A model's own validator: its message often starts with the key that it is about."""
    cause = _own_words(detail)
    first = cause.split(" ", 1)[0]
    if isinstance(value, dict) and first in value:
        return document.problem((*keys, first), cause, f"change `{first}`, or what it is held against")
    return document.problem(keys, cause, "change the value" if not isinstance(value, dict) else "change these values")


def _own_words(detail: ErrorDetails) -> str:
    return _lower(re.sub(r"^(Value error|Assertion failed), ", "", detail["msg"])).rstrip(".")


def _fix(value: Any, what: str, node: Schema, schema: Schema) -> str:
    number = resolve(schema, node).get("type") in ("integer", "number")
    if isinstance(value, str) and number:
        plain = value.strip().replace("_", "").replace(",", "")
        if re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", plain):
            return f"write {plain} without quotes, underscores or commas"
    options = resolve(schema, node).get("enum")
    if isinstance(value, str) and options:
        return nearest(value, [str(option) for option in options], "choose one of")
    if isinstance(value, int | float) and resolve(schema, node).get("type") == "string":
        return f'put quotes around it: "{show(value)}"'
    if isinstance(value, float) and value.is_integer() and resolve(schema, node).get("type") == "integer":
        return f"write {int(value)}" if abs(value) < 1e15 else f"write {what}"
    if resolve(schema, node).get("type") == "array" and isinstance(value, str | int | float):
        return f"write a list: [{value}]"
    if node.get("default") is not None and not isinstance(node["default"], dict | list):
        return f"write {what}, or leave it out to take {show(node['default'])}"
    if value is None:
        return f"write {what}, or remove the key"
    return f"write {what}"


def _existing(tree: Any, base: Keys, detail: ErrorDetails) -> Keys:
    """pydantic's location without the names of union branches and the like: only what the file has."""
    keys, node = base, _at(tree, base)
    for key in detail["loc"]:
        if not has(node, key):
            if detail["type"] == "missing" and key == detail["loc"][-1]:
                return (*keys, key)
            continue
        keys, node = (*keys, key), child(node, key)
    return keys


def _at(tree: Any, keys: Keys) -> Any:
    for key in keys:
        tree = child(tree, key)
    return tree


def _range(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    parts = [
        f"{words} {_number(node[bound])}"
        for words, bound in (
            ("at least", "minimum"),
            ("above", "exclusiveMinimum"),
            ("at most", "maximum"),
            ("below", "exclusiveMaximum"),
        )
        if bound in node
    ]
    said = " and ".join(parts)
    return f" of {said}" if said.startswith("at") else f" {said}" if said else ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else str(value)


def _expected_list(schema: Schema, node: Schema) -> str:
    items = node.get("items")
    prefix = node.get("prefixItems", ())
    if prefix:
        return f"a list of {len(prefix)}: {', '.join(expected(schema, item) for item in prefix)}"
    inner = expected(schema, items) if isinstance(items, Mapping) else "a value"
    at_least = f" of at least {node['minItems']}" if node.get("minItems") else ""
    return f"a list{at_least} (each entry: {inner})" if inner != "a value" else f"a list{at_least}"


def _form(pattern: str) -> str:
    if pattern == r"^[a-z][a-z0-9_]*$":
        return "`name_2` (small letters a to z, digits, underscores)"
    if re.fullmatch(r"\^\[a-z0-9\].*\$", pattern):
        return "`name-2` (small letters a to z, digits, hyphens)"
    if pattern.startswith("^https?://"):
        return "`http://127.0.0.1:8000/v1` (an address without a password)"
    return pattern


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
