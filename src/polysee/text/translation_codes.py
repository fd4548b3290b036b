"""What translation systems call the languages: BCP-47 to FLORES-200 (NLLB), MADLAD-400 and Apertium, and back.

The table is ``data/translation_codes.tsv``. A variety that a system cannot be told to write (European Portuguese in
NLLB, traditional Chinese in MADLAD) has no code as a target, but can be read as its language.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from polysee.text.languages import base_language, canonical, is_known, language

System = Literal["nllb", "madlad"]
Side = Literal["source", "target"]

M3IT_MISPRINTS = {"hye_Armen": "hye_Armn", "lao_Lao": "lao_Laoo"}
"""Codes in M3IT's Table 9 that are none of FLORES-200's, and the ones that are meant."""

_NOT_SCRIPTS = frozenset({"oc_aran", "oci_aran"})
"""Apertium's Aranese, whose variant name reads like the script code of Nastaliq."""


@dataclass(frozen=True, slots=True)
class _Row:
    nllb: str
    madlad: tuple[str, ...]
    apertium: str
    m3it: str
    towervision: bool


@lru_cache(maxsize=1)
def _table() -> dict[str, _Row]:
    text = files("polysee.text").joinpath("data/translation_codes.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    found = {}
    for cells in rows[1:]:
        tag, nllb, madlad, apertium, m3it, towervision = [*cells, *[""] * (6 - len(cells))]
        found[tag] = _Row(nllb, tuple(filter(None, madlad.split("|"))), apertium, m3it, towervision == "x")
    return found


def codes(tag: str, system: System, side: Side = "target") -> tuple[str, ...]:
    """What a system may call a language, the likeliest name first; empty where it does not have it.

    As a source any variety in the language's usual script counts as the language; as a target only what the table
    lists does, because no one could tell the system to write the variety.
    """
    mended = canonical(tag) or tag
    wanted = [mended]
    if side == "source" and is_known(mended):
        base, script = base_language(mended), language(mended).script
        same = is_known(base) and language(base).script == script
        wanted.append(base if same else f"{base}-{script}")
    for one in wanted:
        row = _table().get(one)
        found = () if row is None else row.madlad if system == "madlad" else tuple(filter(None, (row.nllb,)))
        if found:
            return found
    return ()


def from_flores(code: str) -> str | None:
    """The BCP-47 tag of a FLORES-200 code, such as ``zho_Hant``; M3IT's misprints are mended. None for another."""
    mended = M3IT_MISPRINTS.get(code, code)
    tags = [tag for tag, row in _table().items() if row.nllb == mended]
    return min(tags, key=len) if tags else None


def from_apertium(code: str) -> str | None:
    """The BCP-47 tag of one side of an Apertium mode (``eng``, ``pt_BR``, ``cat_valencia``), or None."""
    for tag, row in _table().items():
        if row.apertium == code:
            return tag
    return None if code in _NOT_SCRIPTS else canonical(code)


def m3it_languages() -> dict[str, str]:
    """The 80 languages of M3IT's Table 9: BCP-47 tag -> FLORES-200 code, in the table's order of tags."""
    return {tag: row.nllb for tag, row in _table().items() if row.m3it}


def m3it_printed() -> dict[str, tuple[str, str]]:
    """BCP-47 tag -> language code and FLORES-200 code as M3IT's Table 9 prints them."""
    return {tag: (row.m3it.split()[0], row.m3it.split()[1]) for tag, row in _table().items() if row.m3it}


def towervision_languages() -> tuple[str, ...]:
    """The 20 languages and varieties of TowerVision as BCP-47 tags."""
    return tuple(tag for tag, row in _table().items() if row.towervision)
