"""Reads the parts of the Unicode CLDR that the microworld needs: names of emoji, and spelled-out numbers."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from polysee.schema.errors import UserError

_VARIATION_SELECTOR = "\ufe0f"
_BIDI_CONTROL = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RULESETS = ("spellout-numbering", "spellout-cardinal", "spellout-cardinal-masculine", "spellout-cardinal-neuter")


@cache
def root() -> Path:
    """The folder ``common`` of the CLDR: Debian's package, or what ``scripts/debian-packages`` unpacked.

    Raises `UserError` if neither is there.
    """
    cached = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "polysee" / "debian"
    for base in (Path("/"), cached):
        folder = base / "usr/share/unicode/cldr/common"
        if (folder / "annotations" / "en.xml").is_file():
            return folder
    raise UserError(
        "the Unicode CLDR is not installed",
        "run `scripts/debian-packages` (or: apt-get install --no-install-recommends unicode-cldr-core)",
    )


@cache
def emoji_names(language: str) -> dict[str, str]:
    """Emoji -> its short name in ``language`` (NFC), without variation selectors. Raises `UserError` if unknown."""
    path = root() / "annotations" / f"{language.replace('-', '_')}.xml"
    if not path.is_file():
        raise UserError(f"the CLDR has no emoji names in {language!r}", "choose a language of its annotations folder")
    names: dict[str, str] = {}
    for node in ElementTree.parse(path).getroot().iter("annotation"):
        if node.get("type") == "tts" and node.text:
            emoji = (node.get("cp") or "").replace(_VARIATION_SELECTOR, "")
            names[emoji] = unicodedata.normalize("NFC", _BIDI_CONTROL.sub("", node.text).strip())
    return names


def emoji_name(emoji: str, language: str) -> str | None:
    """The name of one emoji, or None where there is none that can stand alone as an answer.

    Names with a comma or colon (lists, skin tones, joined variants) are cleaned out, as are inherited marks.
    """
    name = emoji_names(language).get(emoji.replace(_VARIATION_SELECTOR, ""))
    if not name or "↑" in name or re.search(r"[,:،、，：;؛]", name):
        return None
    return name


@cache
def number_words(language: str) -> dict[int, str]:
    """1 to 9 in words by the CLDR's spell-out rules, or in digits where it has none for the language."""
    path = root() / "rbnf" / f"{language.replace('-', '_')}.xml"
    rules = _rulesets(path) if path.is_file() else {}
    words = {n: _spell(n, rules) for n in range(1, 10)}
    if len(set(words.values())) < 9 or None in words.values():
        return {n: str(n) for n in range(1, 10)}
    return {n: unicodedata.normalize("NFC", word) for n, word in words.items() if word}


def _rulesets(path: Path) -> dict[str, list[tuple[int, str]]]:
    sets: dict[str, list[tuple[int, str]]] = {}
    for ruleset in ElementTree.parse(path).getroot().iter("ruleset"):
        rules = [
            (int(rule.get("value") or 0), (rule.text or "").removeprefix("'").rstrip(";").strip())
            for rule in ruleset.iter("rbnfrule")
            if (rule.get("value") or "").isdigit()
        ]
        sets[ruleset.get("type") or ""] = rules
    return sets


def _spell(number: int, sets: dict[str, list[tuple[int, str]]]) -> str | None:
    for name in _RULESETS:
        word = _apply(number, name, sets)
        if word:
            return word
    return None


def _apply(number: int, name: str, sets: dict[str, list[tuple[int, str]]]) -> str | None:
    fitting = [text for value, text in sets.get(name, []) if value <= number]
    if not fitting:
        return None
    redirect = re.fullmatch(r"=%+([\w-]+)=", fitting[-1])
    if redirect:
        return _apply(number, redirect.group(1), sets)
    exact = dict(sets[name]).get(number)
    return exact.replace("\u00ad", "") if exact and not re.search(r"[=←→%#\[\]]", exact) else None
