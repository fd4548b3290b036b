"""The words of a layout in languages of several scripts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polysee.schema.sample import Turn
from polysee.sources.microworld.concepts import CONCEPTS
from polysee.sources.microworld.layouts import Layout, Question, absent
from polysee.sources.microworld.wording import MissingWord, answer_text, description, options, turn
from polysee.sources.microworld.words import words

CAT = next(c.index for c in CONCEPTS if c.emoji == "🐈")
DOG = next(c.index for c in CONCEPTS if c.emoji == "🐕")


@pytest.mark.parametrize(
    ("answer", "language", "text"),
    [
        (("name", CAT), "ar", "قطة"),
        (("names", (CAT, CAT)), "zh", "猫、猫"),
        (("number", 3), "th", "สาม"),
        (("square", "🟥"), "en", "red square"),
        (("place", "top_left"), "en", "at the top left"),
        (("direction", "up"), "en", "upwards"),
        (("picture", "fourth"), "en", "the fourth picture"),
        (("yes", True), "hi", "हाँ"),
        (("yes", False), "am", "አይ"),
        (("box", (0, 12, 500, 1000)), "ar", "[0, 12, 500, 1000]"),
    ],
)
def test_an_answer_in_words(answer: tuple[str, object], language: str, text: str) -> None:
    assert answer_text(answer, words(language)) == text


def test_a_turn_asks_in_citation_form() -> None:
    question = Question(CAT, ("number", 2), (("number", 2), ("number", 4)))
    assert turn(question, words("ja")) == Turn("ネコ", "二")
    assert turn(replace(question, about=None), words("ja")) == Turn("", "二")
    assert options(question, words("ja")) == ("二", "四")


def test_a_missing_word_is_no_word() -> None:
    spoken = words("am")
    poor = replace(spoken, names={k: v for k, v in spoken.names.items() if k != CAT}, squares={})
    for answer in (("name", CAT), ("names", (DOG, CAT)), ("square", "🟥")):
        with pytest.raises(MissingWord):
            answer_text(answer, poor)
    with pytest.raises(MissingWord):
        turn(Question(CAT, ("yes", True)), poor)
    with pytest.raises(MissingWord):
        options(Question(None, ("name", DOG), (("name", DOG), ("name", CAT))), poor)


def test_a_scene_told_in_words() -> None:
    spoken = words("fa")
    layout = absent(np.random.default_rng(1), 96, False)
    told = description(layout, spoken).splitlines()
    assert told == [f"{spoken.places[place]}: {spoken.names[concept]}" for place, concept in layout.text]
    plain = Layout((), (), text=(("", CAT), ("", DOG)))
    assert description(plain, spoken) == f"{spoken.names[CAT]}، {spoken.names[DOG]}"
