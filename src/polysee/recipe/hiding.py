"""Takes API keys out of a recipe before they reach a file, a log or a report."""

from __future__ import annotations

import re
from typing import Any

from polysee.recipe.problems import Keys, Problem
from polysee.schema.document import Document
from polysee.schema.secrets import HIDDEN, looks_secret

_SECRET_FIELD = re.compile(
    r"(^|_)(api_?key|access_?key|secret|secret_?key|password|passwd|credentials?|authorization"
    r"|(api|access|auth|bearer|hf)_?token)$|^token$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def hide_secrets(document: Document) -> tuple[Document, list[Problem]]:
    """The document with every secret replaced, so that no later message can show one; and a problem for each."""
    problems: list[Problem] = []
    value = _hide(document, document.value, (), problems)
    return document.with_value(value), problems


def _hide(document: Document, node: Any, keys: Keys, problems: list[Problem]) -> Any:
    if isinstance(node, dict):
        hidden: dict[str, Any] = {}
        for key, value in node.items():
            if looks_secret(key):
                where = document.place((*keys, key), of_key=True)
                problems.append(Problem(where, (*keys, HIDDEN), "a key of a mapping looks like an API key", _FIX))
                continue
            hidden[key] = _hide(document, value, (*keys, key), problems)
        return hidden
    if isinstance(node, list):
        return [_hide(document, value, (*keys, index), problems) for index, value in enumerate(node)]
    if not isinstance(node, str):
        return node
    cause = _cause(keys, node)
    if cause is None:
        return node
    problems.append(document.problem(keys, cause, _FIX))
    return HIDDEN


_FIX = (
    "put the key into an environment variable, give that variable's name in a field that ends in `_env`, "
    "and revoke a key that was written to a file"
)


def _cause(keys: Keys, text: str) -> str | None:
    field = next((key for key in reversed(keys) if isinstance(key, str)), "")
    if field.endswith("_env"):
        if not looks_secret(text) and _VARIABLE.fullmatch(text):
            return None
        return "this field takes the name of an environment variable, not a value"
    if looks_secret(text, prefixes_only=field == "where") or (text and _SECRET_FIELD.search(field)):
        return "this looks like an API key, and a recipe is no place for one"
    return None
