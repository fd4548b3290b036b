"""The words of the survey's pages in each language that they can be read in, and what countries are called there."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.text.digits import to_native
from polysee.text.languages import Direction, direction, language

CRITERIA = ("relevance", "correctness", "accuracy", "structure", "formality")
"""The five criteria of AIN's survey, by which the best answer is to be picked."""

COMFORT = ("fine", "prefer", "hard", "other")
"""How the survey's language was found: standard fits, dialect preferred, dialect needed, trouble of another kind."""


class _File(Config):
    """``reviewed``: whether a native speaker has read the texts."""

    reviewed: bool
    texts: dict[str, str]


class Words:
    """The texts of one language. Numbers are written in its own digits."""

    def __init__(self, tag: str, texts: dict[str, str], countries: dict[str, str], *, reviewed: bool) -> None:
        self.tag = tag
        self.reviewed = reviewed
        self.countries = countries
        self._texts = texts

    @property
    def direction(self) -> Direction:
        return direction(self.tag)

    @property
    def autonym(self) -> str:
        return language(self.tag).autonym

    def __call__(self, key: str, **numbers: int) -> str:
        """The text ``key``; raises `KeyError` for one that there is not."""
        text = self._texts[key]
        return text.format(**{name: self.number(value) for name, value in numbers.items()}) if numbers else text

    def number(self, value: int) -> str:
        return to_native(str(value), self.tag)

    def criterion(self, name: str) -> tuple[str, str]:
        """A criterion's name and what it means."""
        head, _, rest = self._texts[name].replace("：", ":").partition(":")
        return head.strip(), rest.strip()


def available() -> tuple[str, ...]:
    """Tags of the languages that there are texts in, English first."""
    found = sorted(item.name.removesuffix(".json") for item in _data().joinpath("texts").iterdir())
    return ("en", *(tag for tag in found if tag != "en"))


@lru_cache(maxsize=64)
def words(tag: str) -> Words:
    """The texts in one language. Raises `UserError` for one that there are none in."""
    if tag not in available():
        raise UserError(f"there are no survey texts in {tag!r}", f"choose from {', '.join(available())}")
    file = _File.model_validate_json(_data().joinpath("texts", f"{tag}.json").read_text(encoding="utf-8"))
    return Words(tag, file.texts, _countries()[tag], reviewed=file.reviewed)


def best_match(accept: str, offered: tuple[str, ...]) -> str:
    """The first of ``offered`` that an Accept-Language header asks for; else the first of all."""
    asked = [part.split(";")[0].strip().lower() for part in accept[:500].split(",")]
    for tag in asked:
        for one in offered:
            if tag == one.lower() or tag.split("-")[0] == one.lower().split("-")[0]:
                return one
    return offered[0]


@lru_cache(maxsize=1)
def _countries() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads(_data().joinpath("countries.json").read_text(encoding="utf-8"))
    return table


def _data() -> Traversable:
    return files("polysee.survey").joinpath("data")
