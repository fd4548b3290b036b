"""Text in a terminal: isolates for right-to-left scripts, no control characters, numbers for people."""

from __future__ import annotations

import unicodedata

_ISOLATE, _POP = "\u2068", "\u2069"
_ZERO_WIDTH_JOINERS = "\u200c\u200d"
"""Format characters that spell words (Persian, Hindi, emoji) and must stay."""


def isolate(text: str) -> str:
    """``text`` so that its direction cannot disturb what stands around it (FSI … PDI), on one line.

    Line breaks become ``⏎``; control and bidi format characters, which could run a terminal's escape sequences or
    reorder a line, become their code point in angle brackets.
    """
    return _ISOLATE + "".join(map(_visible, text)) + _POP


def plain(text: str) -> str:
    """``text`` with its line breaks, but without control characters that a terminal would obey."""
    return "\n".join("".join(map(_visible, line)) for line in text.split("\n"))


def count(number: int | None, *, at_most: bool = False) -> str:
    """``1,234``, ``≤1,234``, or ``-`` where it is unknown."""
    return "-" if number is None else f"{'≤' if at_most else ''}{number:,}"


def size(number: int | None) -> str:
    """Bytes as ``12.3 MB`` (powers of 1000), or ``-``."""
    if number is None:
        return "-"
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def duration(seconds: float | None) -> str:
    """``41 s``, ``3 min``, ``2.5 h``, or ``-``."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(rows: list[tuple[str, ...]], *, right: frozenset[int] = frozenset()) -> str:
    """Aligned columns of short ASCII texts; the first row is the head. ``right``: columns of numbers."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _visible(character: str) -> str:
    if character == "\n":
        return "⏎"
    if character in _ZERO_WIDTH_JOINERS or 0xE0020 <= ord(character) <= 0xE007F:
        return character
    if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
        return f"<U+{ord(character):04X}>"
    return character
