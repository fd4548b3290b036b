"""Finds API keys in a recipe before they reach a file, a log or a report."""

from __future__ import annotations

import itertools
import re
from typing import Any

from polysee.recipe.document import Document
from polysee.recipe.problems import Keys, Problem

HIDDEN = "(hidden)"

_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?:[a-z0-9]+-)*(?:[A-Za-z0-9_]{16,}|(?=[A-Za-z_]*[0-9])[A-Za-z0-9_]{12,})"
    r"|sk-(?:proj|ant|or|svcacct|admin|test|live)-[A-Za-z0-9_-]{6,}|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}"
    r"|hf_(?:[A-Za-z0-9]{20,}|(?=[A-Za-z]*[0-9A-Z])[A-Za-z0-9]{8,})|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{12,}|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|gsk_[A-Za-z0-9]{16,}|nvapi-[A-Za-z0-9_-]{16,}|r8_[A-Za-z0-9]{16,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|Bearer\s+[A-Za-z0-9._~+/=-]{8,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|[a-z][a-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@"
)
_TOKEN = re.compile(r"[A-Za-z0-9_+=-]{28,}")
_KNOWN_HARMLESS = re.compile(
    r"[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)
"""A git commit, a SHA-256 and a UUID: recipes pin revisions and files by them."""

_SECRET_FIELD = re.compile(
    r"(^|_)(api_?key|access_?key|secret|secret_?key|password|passwd|credentials?|authorization"
    r"|(api|access|auth|bearer|hf)_?token)$|^token$",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def looks_secret(text: str, *, prefixes_only: bool = False) -> bool:
    """Whether a text has the shape of a key: a vendor's prefix, a password in an address, or a long random token.

    ``prefixes_only`` leaves out the guess about randomness (for SQL, which may name ids). A random token changes
    between lower case, upper case and digits at more than a third of its characters; words and paths do not.
    """
    if _PREFIXED.search(text):
        return True
    return not prefixes_only and any(_random(token) for token in _TOKEN.findall(text))


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


def _random(token: str) -> bool:
    if _KNOWN_HARMLESS.fullmatch(token) or len(set(token)) < 10:
        return False
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "-" for c in token]
    if "d" not in kinds or not {"u", "l"} & set(kinds):
        return False
    changes = sum(a != b for a, b in itertools.pairwise(kinds))
    return changes > (len(token) - 1) / 3
