"""The heat map's ramps, computed, so that text on every step of them has enough contrast in both themes."""

from __future__ import annotations

from dataclasses import dataclass

Rgb = tuple[int, int, int]

STEPS = 10
"""Steps above chance; below it there are `BELOW`."""
BELOW = 3
DARK_INK = "#0c1413"
LIGHT_INK = "#ffffff"


@dataclass(frozen=True, slots=True)
class Theme:
    """``low`` to ``high``: from chance to right every time; ``below``: never right."""

    low: str
    high: str
    below: str


LIGHT = Theme(low="#eef3f1", high="#0b5f57", below="#f0a878")
DARK = Theme(low="#1f2a2e", high="#5fe3cd", below="#8a4a22")


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1-21 (WCAG 2.2)."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mix(first: str, second: str, share: float) -> str:
    """``share`` 0 is the first colour, 1 the second."""
    pairs = zip(_rgb(first), _rgb(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def ink(background: str) -> str:
    """Black or white, whichever reads better."""
    return max((DARK_INK, LIGHT_INK), key=lambda text: contrast(text, background))


def step_class(value: float, chance: float | None) -> str:
    """The class of a cell: how far ``value`` (0-1) is from chance to right every time, or from chance to never."""
    base = chance or 0.0
    if value < base:
        return f"b{max(1, min(BELOW, round((base - value) / base * BELOW)))}"
    room = 1.0 - base
    return f"p{min(STEPS - 1, int((value - base) / room * STEPS)) if room > 0 else STEPS - 1}"


def ramp(theme: Theme) -> dict[str, str]:
    """Background by class."""
    colours = {f"p{i}": mix(theme.low, theme.high, i / (STEPS - 1)) for i in range(STEPS)}
    return {**colours, **{f"b{i}": mix(theme.low, theme.below, i / BELOW) for i in range(1, BELOW + 1)}}


def css() -> str:
    """The rules of all steps."""
    light, dark = ramp(LIGHT), ramp(DARK)
    return "\n".join(
        f".{name}{{background:light-dark({light[name]},{dark[name]});"
        f"color:light-dark({ink(light[name])},{ink(dark[name])})}}"
        for name in light
    )


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _rgb(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
