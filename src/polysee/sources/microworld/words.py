"""All words of the microworld in one language: the CLDR's names and numbers, and our own few citation forms."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ruamel.yaml import YAML

from polysee.schema.errors import UserError
from polysee.sources.microworld import cldr
from polysee.sources.microworld.concepts import CONCEPTS, SQUARES

SIDES = ("left", "right", "top", "bottom")
CORNERS = ("top_left", "top_right", "bottom_left", "bottom_right")
DIRECTIONS = ("left", "right", "up", "down")
PICTURES = ("first", "second", "third", "fourth")
_SEPARATORS = {"ja": "、", "zh": "、", "ar": "، ", "fa": "، ", "ur": "، ", "am": "፣ "}


@dataclass(frozen=True)
class Words:
    """``names``: concept index -> name, only where the name stands for one concept alone. ``squares``: by colour."""

    language: str
    reviewed: bool
    names: dict[int, str]
    squares: dict[str, str]
    numbers: dict[int, str]
    places: dict[str, str]
    directions: dict[str, str]
    pictures: dict[str, str]
    yes: str
    no: str
    separator: str

    def listing(self, names: list[str]) -> str:
        """Names in a row with the list separator of the script."""
        return self.separator.join(names)


@cache
def words(language: str) -> Words:
    """The words of ``language``. Raises `UserError` if polysee has no word file for it or the CLDR no names."""
    file = resources.files("polysee.sources.microworld") / "words" / f"{language}.yaml"
    if not file.is_file():
        raise UserError(
            f"the microworld has no words in {language!r}",
            f"choose among {', '.join(languages())}, or add words/{language}.yaml",
        )
    own = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    return Words(
        language=language,
        reviewed=bool(own["reviewed"]),
        names=_unique_names(language),
        squares={s: name for s in SQUARES if (name := cldr.emoji_name(s, language))},
        numbers=cldr.number_words(language),
        places=_forms(own["places"], (*SIDES, *CORNERS), language),
        directions=_forms(own["directions"], DIRECTIONS, language),
        pictures=_forms(own["pictures"], PICTURES, language),
        yes=own["yes"],
        no=own["no"],
        separator=_SEPARATORS.get(language, ", "),
    )


@cache
def languages() -> tuple[str, ...]:
    """Languages that have a word file."""
    folder = resources.files("polysee.sources.microworld") / "words"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def _unique_names(language: str) -> dict[int, str]:
    found = {c.index: name for c in CONCEPTS if (name := cldr.emoji_name(c.emoji, language))}
    often = Counter(name.casefold() for name in found.values())
    return {index: name for index, name in found.items() if often[name.casefold()] == 1}


def _forms(table: dict[str, str], keys: tuple[str, ...], language: str) -> dict[str, str]:
    forms = {key: unicodedata.normalize("NFC", table[key]) for key in keys}
    if len(set(forms.values())) != len(keys):
        raise UserError(f"two forms of words/{language}.yaml are equal: {forms}", "make them distinct")
    return forms
