"""Turns a layout's questions and answers into the words of one language."""

from __future__ import annotations

from typing import Any

from polysee.schema.sample import Turn
from polysee.sources.microworld.layouts import Answer, Layout, Question
from polysee.sources.microworld.words import Words


class MissingWord(Exception):
    """The language has no word that could stand here alone; the scene is not asked in it."""


def answer_text(answer: Answer, words: Words) -> str:
    """The words of an answer. Raises `MissingWord`."""
    kind, value = answer
    writer: Any = {
        "name": lambda v: words.names[v],
        "names": lambda v: words.listing([words.names[i] for i in v]),
        "number": lambda v: words.numbers[v],
        "square": lambda v: words.squares[v],
        "place": lambda v: words.places[v],
        "direction": lambda v: words.directions[v],
        "picture": lambda v: words.pictures[v],
        "yes": lambda v: words.yes if v else words.no,
        "box": lambda v: "[" + ", ".join(map(str, v)) + "]",
    }[kind]
    try:
        return str(writer(value))
    except KeyError as error:
        raise MissingWord(f"{kind} {value!r} in {words.language}") from error


def turn(question: Question, words: Words) -> Turn:
    """Input: the name of what is asked about, or nothing. Raises `MissingWord`."""
    about = "" if question.about is None else answer_text(("name", question.about), words)
    return Turn(about, answer_text(question.answer, words))


def options(question: Question, words: Words) -> tuple[str, ...]:
    """The options in words, in the layout's order. Raises `MissingWord`."""
    return tuple(answer_text(option, words) for option in question.options)


def description(layout: Layout, words: Words) -> str:
    """What the picture shows, told in words, for the same question without a picture. Raises `MissingWord`."""
    names = [answer_text(("name", concept), words) for _, concept in layout.text]
    places = [place for place, _ in layout.text]
    if any(places):
        return "\n".join(f"{words.places[p]}: {name}" for p, name in zip(places, names, strict=True))
    return words.listing(names)
