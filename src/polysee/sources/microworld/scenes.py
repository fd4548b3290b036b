"""Scenes: which things stand where, and their picture. Everything follows from the generator that is passed in."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image

from polysee.media.draw import emoji_sprite

Box = tuple[float, float, float, float]

_SIDE = {"left": (0.2, 0.5), "right": (0.8, 0.5), "top": (0.5, 0.2), "bottom": (0.5, 0.8)}
_CORNER = {
    "top_left": (0.24, 0.24),
    "top_right": (0.76, 0.24),
    "bottom_left": (0.24, 0.76),
    "bottom_right": (0.76, 0.76),
}
PLACES: dict[str, tuple[float, float]] = {**_SIDE, **_CORNER}


@dataclass(frozen=True, slots=True)
class Thing:
    """One emoji in a scene: centre ``x``, ``y`` and ``size`` as shares of the side; ``square``: the one behind it."""

    concept: int
    emoji: str
    x: float
    y: float
    size: float
    square: str | None = None

    @property
    def box(self) -> Box:
        """x1, y1, x2, y2 as shares of the side."""
        half = self.size / 2
        return self.x - half, self.y - half, self.x + half, self.y + half


@dataclass(frozen=True, slots=True)
class Scene:
    """Things on a plain background. ``side``: pixels of the square picture; ``colour``: RGB of the background."""

    things: tuple[Thing, ...]
    side: int
    colour: tuple[int, int, int]


def background(rng: np.random.Generator) -> tuple[int, int, int]:
    """A light colour."""
    red, green, blue = (int(v) for v in rng.integers(190, 256, size=3))
    return red, green, blue


def jitter(value: float, rng: np.random.Generator, width: float = 0.05) -> float:
    """``value`` moved by at most ``width`` either way."""
    return value + float(rng.uniform(-width, width))


def draw(scene: Scene) -> Image.Image:
    """The picture of a scene, RGB, ``side`` by ``side`` pixels."""
    image = Image.new("RGB", (scene.side, scene.side), scene.colour)
    for thing in scene.things:
        if thing.square is not None:
            _paste(image, thing.square, thing, 1.45)
        _paste(image, thing.emoji, thing, 1.0)
    return image


def png(image: Image.Image) -> bytes:
    """PNG bytes; equal pictures give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def moved(scene: Scene, dx: float, dy: float) -> Scene:
    """The scene with its first thing moved by a share of the side."""
    first = scene.things[0]
    return replace(scene, things=(replace(first, x=first.x + dx, y=first.y + dy), *scene.things[1:]))


def _paste(image: Image.Image, emoji: str, thing: Thing, scale: float) -> None:
    pixels = max(6, round(thing.size * scale * image.width))
    sprite = _sprite(emoji, pixels)
    left = round(thing.x * image.width - pixels / 2)
    top = round(thing.y * image.height - pixels / 2)
    image.paste(sprite, (left, top), sprite)


@cache
def _sprite(emoji: str, pixels: int) -> Image.Image:
    return emoji_sprite(emoji, pixels)
