"""How a scene for each task is laid out, and what is asked about it, before any word of any language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polysee.sources.microworld.concepts import CATEGORIES, SQUARES, Concept, members
from polysee.sources.microworld.scenes import PLACES, Box, Scene, Thing, background, jitter, moved
from polysee.sources.microworld.words import CORNERS, DIRECTIONS, PICTURES, SIDES

Answer = tuple[str, object]
"""What kind of word an answer is, and which: ("name", 3), ("number", 2), ("square", "🟥"), ("place", "left") …"""


@dataclass(frozen=True, slots=True)
class Question:
    """``about``: the concept that is asked about, if any. ``options``: the four answers, the right one among them."""

    about: int | None
    answer: Answer
    options: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """``scenes``: one; several for `multi_image`; the frames for `video`. ``questions``: the first is the main one."""

    scenes: tuple[Scene, ...]
    questions: tuple[Question, ...]
    box: Box | None = None
    text: tuple[tuple[str, int], ...] = ()
    """For a question asked by text: (place or "", concept) of each thing."""


Layer = Callable[[np.random.Generator, int, bool], Layout]


def _pick(rng: np.random.Generator, count: int, *, held_out: bool, category: str | None = None) -> list[Concept]:
    """Distinct concepts of one category, in random order."""
    pool = members(category or CATEGORIES[int(rng.integers(len(CATEGORIES)))], held_out=held_out)
    return [pool[i] for i in rng.permutation(len(pool))[:count]]


def _mixed(rng: np.random.Generator, count: int, *, held_out: bool) -> list[Concept]:
    """Distinct concepts of distinct categories."""
    chosen = rng.permutation(len(CATEGORIES))[:count]
    return [_pick(rng, 1, held_out=held_out, category=CATEGORIES[i])[0] for i in chosen]


def _thing(concept: Concept, x: float, y: float, size: float, square: str | None = None) -> Thing:
    return Thing(concept.index, concept.emoji, x, y, size, square)


def _name_options(concept: Concept, rng: np.random.Generator) -> tuple[Answer, ...]:
    """The concept among three of its category, each of the others as likely; held-out ones stand among trained."""
    peers = [c for c in members(concept.category, held_out=False) if c != concept]
    chosen = [concept, *(peers[i] for i in rng.permutation(len(peers))[:3])]
    return tuple(("name", chosen[i].index) for i in rng.permutation(4))


def naming(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """One thing, anywhere, of any size."""
    concept = _pick(rng, 1, held_out=held_out)[0]
    size = float(rng.uniform(0.36, 0.8))
    x, y = (float(rng.uniform(size / 2, 1 - size / 2)) for _ in range(2))
    scene = Scene((_thing(concept, x, y, size),), side, background(rng))
    return Layout((scene,), (Question(None, ("name", concept.index), _name_options(concept, rng)),))


def counting(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """Up to nine things on a jittered three-by-three grid, one to six of the kind that is asked about.

    In half of the scenes they are alone, in the others they stand among things of a second kind.
    """
    kinds = _mixed(rng, 2, held_out=held_out)
    first = int(rng.integers(1, 7))
    second = int(rng.integers(1, min(6, 9 - first) + 1)) if rng.random() < 0.5 else 0
    cells = rng.permutation(9)[: first + second]
    things = tuple(
        _thing(
            kinds[0] if i < first else kinds[1],
            jitter((cell % 3 + 0.5) / 3, rng, 0.025),
            jitter((cell // 3 + 0.5) / 3, rng, 0.025),
            float(rng.uniform(0.25, 0.3)),
        )
        for i, cell in enumerate(cells)
    )
    others = [n for n in range(1, 7) if n != first]
    numbers = [first, *(others[i] for i in rng.permutation(5)[:3])]
    options = tuple(("number", numbers[i]) for i in rng.permutation(4))
    questions = [Question(kinds[0].index, ("number", first), options)]
    if second:
        questions.append(Question(kinds[1].index, ("number", second)))
    text = tuple(("", t.concept) for t in things)
    return Layout((Scene(things, side, background(rng)),), tuple(questions), text=text)


def colour(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """One to three things, each on a coloured square of its own."""
    kinds = _mixed(rng, int(rng.integers(1, 4)), held_out=held_out)
    places = rng.permutation(4)
    squares = [SQUARES[i] for i in rng.permutation(len(SQUARES))]
    things = tuple(
        _thing(
            kind,
            jitter((0.25, 0.75)[places[i] % 2], rng, 0.04),
            jitter((0.25, 0.75)[places[i] // 2], rng, 0.04),
            float(rng.uniform(0.25, 0.3)),
            squares[i],
        )
        for i, kind in enumerate(kinds)
    )
    others = squares[1:]
    chosen = [squares[0], *(others[i] for i in rng.permutation(len(others))[:3])]
    options = tuple(("square", chosen[i]) for i in rng.permutation(4))
    questions = tuple(
        Question(kind.index, ("square", squares[i]), options if i == 0 else ()) for i, kind in enumerate(kinds)
    )
    return Layout((Scene(things, side, background(rng)),), questions)


def position(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """One to four things, all at sides or all in corners."""
    kinds = _mixed(rng, int(rng.integers(1, 5)), held_out=held_out)
    scheme = SIDES if rng.random() < 0.5 else CORNERS
    return _placed(rng, side, kinds, scheme, float(rng.uniform(0.28, 0.36)))


def _placed(rng: np.random.Generator, side: int, kinds: list[Concept], scheme: tuple[str, ...], size: float) -> Layout:
    places = [scheme[i] for i in rng.permutation(4)[: len(kinds)]]
    things = tuple(
        _thing(kind, jitter(PLACES[place][0], rng, 0.04), jitter(PLACES[place][1], rng, 0.04), size)
        for kind, place in zip(kinds, places, strict=True)
    )
    options = tuple(("place", place) for place in scheme)
    questions = tuple(
        Question(kind.index, ("place", place), options if i == 0 else ())
        for i, (kind, place) in enumerate(zip(kinds, places, strict=True))
    )
    text = tuple(zip(places, (k.index for k in kinds), strict=True))
    return Layout((Scene(things, side, background(rng)),), questions, text=text)


def matching(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """Two things side by side; a description is the two names, left first, and either may be wrong."""
    first, second = rng.permutation(len(CATEGORIES))[:2]
    pairs = [
        (members(CATEGORIES[c], held_out=False), _pick(rng, 1, held_out=held_out, category=CATEGORIES[c])[0])
        for c in (first, second)
    ]
    wrong = [
        peers[int(rng.integers(len(peers)))] for peers in ([p for p in pool if p != right] for pool, right in pairs)
    ]
    left, right = pairs[0][1], pairs[1][1]
    things = (
        _thing(left, jitter(0.26, rng), jitter(0.5, rng, 0.2), float(rng.uniform(0.32, 0.44))),
        _thing(right, jitter(0.74, rng), jitter(0.5, rng, 0.2), float(rng.uniform(0.32, 0.44))),
    )
    choices = [(a.index, b.index) for a in (left, wrong[0]) for b in (right, wrong[1])]
    options = tuple(("names", choices[i]) for i in rng.permutation(4))
    question = Question(None, ("names", (left.index, right.index)), options)
    return Layout((Scene(things, side, background(rng)),), (question,))


def caption(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """One to four things; their names from top to bottom and left to right."""
    made = position(rng, side, held_out)
    scene = made.scenes[0]
    ordered = sorted(scene.things, key=lambda t: (round(t.y * 3 - 0.5), t.x))
    return Layout((scene,), (Question(None, ("names", tuple(t.concept for t in ordered))),))


def grounding(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """Two things anywhere without overlap; the box of each in thousandths of the side."""
    kinds = _mixed(rng, 2, held_out=held_out)
    size = float(rng.uniform(0.28, 0.4))
    while True:
        corners = rng.uniform(size / 2, 1 - size / 2, size=(2, 2))
        if np.abs(corners[0] - corners[1]).max() > size:
            break
    things = [_thing(kind, float(x), float(y), size) for kind, (x, y) in zip(kinds, corners, strict=True)]
    questions = tuple(
        Question(t.concept, ("box", tuple(min(1000, max(0, round(v * 1000))) for v in t.box))) for t in things
    )
    return Layout((Scene(tuple(things), side, background(rng)),), questions, box=things[0].box)


def multi_image(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """Four pictures of one thing each, all of one category; in which is the one that is asked about?"""
    kinds = _pick(rng, 4, held_out=False)
    scenes = tuple(
        Scene((_thing(k, jitter(0.5, rng, 0.1), jitter(0.5, rng, 0.1), 0.7),), side, background(rng)) for k in kinds
    )
    order = rng.permutation(4)
    options = tuple(("picture", name) for name in PICTURES)
    questions = tuple(
        Question(kinds[i].index, ("picture", PICTURES[i]), options if n == 0 else ()) for n, i in enumerate(order)
    )
    return Layout(scenes, questions)


def video(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """Four frames in which one thing moves to one side past another that stands still."""
    kinds = _mixed(rng, 2, held_out=held_out)
    direction = DIRECTIONS[int(rng.integers(4))]
    dx, dy = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[direction]
    across = float(rng.uniform(0.25, 0.75))
    start = (0.5 - 0.33 * dx if dx else across, 0.5 - 0.33 * dy if dy else across)
    still = (0.15, 0.15) if across > 0.5 else (0.85, 0.85)
    base = Scene(
        (_thing(kinds[0], *start, 0.3), _thing(kinds[1], *still, 0.25)),
        side,
        background(rng),
    )
    frames = tuple(moved(base, dx * 0.22 * i, dy * 0.22 * i) for i in range(4))
    options = tuple(("direction", name) for name in DIRECTIONS)
    return Layout(frames, (Question(kinds[0].index, ("direction", direction), options),))


def absent(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """Three things; is the one that is asked about there? Absent ones come from the category of a present one."""
    kinds = _mixed(rng, 3, held_out=held_out)
    made = _placed(rng, side, kinds, SIDES, 0.32)
    peers = [c for c in members(kinds[0].category, held_out=held_out) if c != kinds[0]]
    missing = peers[int(rng.integers(len(peers)))]
    there = Question(kinds[0].index, ("yes", True), (("yes", True), ("yes", False)))
    gone = Question(missing.index, ("yes", False), (("yes", True), ("yes", False)))
    return Layout(made.scenes, (there, gone) if rng.random() < 0.5 else (gone, there), text=made.text)


def needle(rng: np.random.Generator, side: int, held_out: bool) -> Layout:
    """A picture of twice the side, eight by eight equal things, and one other in a quarter of it."""
    many, one = _mixed(rng, 2, held_out=held_out)
    corner = CORNERS[int(rng.integers(4))]
    column = int(rng.integers(0, 3)) + (5 if corner.endswith("right") else 0)
    row = int(rng.integers(0, 3)) + (5 if corner.startswith("bottom") else 0)
    things = tuple(
        _thing(one if (r, c) == (row, column) else many, (c + 0.5) / 8, (r + 0.5) / 8, 0.115)
        for r in range(8)
        for c in range(8)
    )
    options = tuple(("place", place) for place in CORNERS)
    question = Question(one.index, ("place", corner), options)
    return Layout((Scene(things, side * 2, background(rng)),), (question,))


LAYOUTS: dict[str, Layer] = {
    "naming": naming,
    "counting": counting,
    "colour": colour,
    "position": position,
    "matching": matching,
    "caption": caption,
    "grounding": grounding,
    "multi_image": multi_image,
    "video": video,
    "absent": absent,
    "needle": needle,
}
TASKS: tuple[str, ...] = (*LAYOUTS, "reading")
FOUR_WAY: tuple[str, ...] = ("naming", "counting", "colour", "position", "matching")
