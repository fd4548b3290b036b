"""Directions of a text that several fonts draw: a part of the Unicode Bidirectional Algorithm (UAX 9)."""

from __future__ import annotations

import unicodedata


def base_level(paragraph: str) -> int:
    """0 where the first strong character runs to the right or there is none, else 1 (UAX 9, P2 and P3)."""
    for character in paragraph:
        kind = unicodedata.bidirectional(character)
        if kind in ("L", "R", "AL"):
            return int(kind != "L")
    return 0


def levels_of(text: str, base: int) -> list[int]:
    """Embedding level of each character by UAX 9 without explicit embeddings: rules W1 to W7, N1, N2, I1, I2."""
    kinds = _weak([unicodedata.bidirectional(c) or "L" for c in text], "R" if base else "L")
    edge = "R" if base else "L"
    at = 0
    while at < len(kinds):
        end = at
        while end < len(kinds) and kinds[end] == "ON":
            end += 1
        if end > at:
            before = edge if at == 0 else _strong(kinds[at - 1])
            after = edge if end == len(kinds) else _strong(kinds[end])
            kinds[at:end] = [before if before == after else edge] * (end - at)
        at = max(end, at + 1)
    if base:
        return [1 if kind == "R" else 2 for kind in kinds]
    return [{"L": 0, "R": 1}.get(kind, 2) for kind in kinds]


def _weak(kinds: list[str], start: str) -> list[str]:
    """Types after the rules for marks, numbers and their signs: only L, R, EN, AN and ON are left."""
    strong = start
    out: list[str] = []
    for i, kind in enumerate(kinds):
        if kind in ("NSM", "BN"):
            kind = out[-1] if out else start
        elif kind in ("L", "R", "AL"):
            strong = kind
            kind = "R" if kind == "AL" else kind
        elif kind == "EN":
            kind = {"AL": "AN", "L": "L"}.get(strong, "EN")
        elif _joins_numbers(kinds, i):
            kind = out[i - 1]
        elif kind != "AN":
            kind = "ON"
        out.append(kind)
    for i in range(len(out) - 2, -1, -1):
        if kinds[i] == "ET" and kinds[i + 1] in ("EN", "ET") and out[i + 1] != "ON":
            out[i] = out[i + 1]
    return out


def _joins_numbers(kinds: list[str], i: int) -> bool:
    """Whether a sign belongs to the number before it: a separator inside (W4), a unit sign behind (W5)."""
    if i == 0:
        return False
    if kinds[i] in ("ES", "CS"):
        return i + 1 < len(kinds) and kinds[i - 1] == kinds[i + 1] and kinds[i - 1] in ("EN", "AN")
    return kinds[i] == "ET" and kinds[i - 1] == "EN"


def _strong(kind: str) -> str:
    return "L" if kind == "L" else "R"
