"""What an API key looks like, and how to take one out of a text."""

from __future__ import annotations

import itertools
import re

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


def looks_secret(text: str, *, prefixes_only: bool = False) -> bool:
    """Whether a text has the shape of a key: a vendor's prefix, a password in an address, or a long random token.

    ``prefixes_only`` leaves out the guess about randomness (for SQL, which may name ids). A random token changes
    between lower case, upper case and digits at more than a third of its characters; words and paths do not.
    """
    if _PREFIXED.search(text):
        return True
    return not prefixes_only and any(_random(token) for token in _TOKEN.findall(text))


def redact(text: str, *known: str) -> str:
    """``text`` with everything in it that looks like a key replaced, and every one of ``known``, however it looks."""
    for secret in known:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _PREFIXED.sub(HIDDEN, text)
    return _TOKEN.sub(lambda found: HIDDEN if _random(found.group()) else found.group(), text)


def _random(token: str) -> bool:
    if _KNOWN_HARMLESS.fullmatch(token) or len(set(token)) < 10:
        return False
    runs = re.findall(r"[A-Za-z0-9]+", token)
    if len(runs) > len(token) / 10 or token.isalpha() or not re.search(r"[A-Za-z]", token):
        return False
    kinds = ["".join("d" if c.isdigit() else "u" if c.isupper() else "l" for c in run) for run in runs]
    if "d" not in "".join(kinds):
        return False
    changes = sum(a != b for run in kinds for a, b in itertools.pairwise(run))
    return changes > sum(len(run) - 1 for run in runs) / 3
