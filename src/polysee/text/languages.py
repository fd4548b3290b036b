"""Languages by BCP-47 tag: which tags are known, what they are called, their script and its direction.

The data come from the Unicode CLDR and are built by ``scripts/build_languages.py``.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from polysee.schema.errors import UserError
from polysee.text.normalise import nfc

Direction = Literal["ltr", "rtl"]

UNKNOWN_SCRIPT = "Zzzz"

_LONGEST_CODE = 3

_TAG = re.compile(
    r"(?P<language>[A-Za-z]{2,3})"
    r"(?:-(?P<script>[A-Za-z]{4}))?"
    r"(?:-(?P<region>[A-Za-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[0-9][A-Za-z0-9]{3}|[A-Za-z0-9]{5,8}))*)"
    r"(?P<extensions>(?:-[0-9A-WYZa-wyz](?:-[A-Za-z0-9]{2,8})+)*(?:-[xX](?:-[A-Za-z0-9]{1,8})+)?)"
)


@dataclass(frozen=True, slots=True)
class Language:
    """A language as people and renderers need it.

    ``tag``: BCP-47, in canonical case. ``name``: English. ``autonym``: in the language itself (its English name
    where the CLDR has none). ``script``: ISO 15924, ``Zzzz`` where it is unknown. ``direction``: of the script.
    """

    tag: str
    name: str
    autonym: str
    script: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class _Table:
    languages: frozenset[str]
    variants: frozenset[str]
    regions: dict[str, str]
    scripts: dict[str, str]
    rtl: frozenset[str]
    names: dict[str, str]
    autonyms: dict[str, str]
    likely: dict[str, str]
    aliases: dict[str, str]
    numbering: dict[str, str]
    digits: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Parts:
    language: str
    script: str
    region: str
    variants: tuple[str, ...]
    extensions: str

    @property
    def tag(self) -> str:
        return "-".join(p for p in (self.language, self.script, self.region, *self.variants) if p) + self.extensions


@lru_cache(maxsize=1)
def _table() -> _Table:
    raw = json.loads(files("polysee.text").joinpath("data/languages.json").read_text(encoding="utf-8"))
    return _Table(
        languages=frozenset(raw["languages"].split()),
        variants=frozenset(raw["variants"].split()),
        rtl=frozenset(raw["rtl"]),
        **{k: raw[k] for k in ("regions", "scripts", "names", "autonyms", "likely", "aliases", "numbering", "digits")},
    )


def _parse(tag: str) -> _Parts | None:
    """The subtags in canonical case, or None where the syntax is wrong. Knows nothing of which subtags exist."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    variants = tuple(v.lower() for v in match["variants"].split("-") if v)
    if len(set(variants)) != len(variants):
        return None
    return _Parts(
        language=match["language"].lower(),
        script=(match["script"] or "").title(),
        region=(match["region"] or "").upper(),
        variants=variants,
        extensions=match["extensions"].lower(),
    )


def _registered(parts: _Parts) -> bool:
    table = _table()
    return (
        parts.language in table.languages
        and (not parts.script or parts.script in table.scripts)
        and (not parts.region or parts.region in table.regions)
        and table.variants.issuperset(parts.variants)
    )


@lru_cache(maxsize=65536)
def is_known(tag: str) -> bool:
    """Whether ``tag`` is a BCP-47 tag of registered subtags, in canonical case.

    ``pt-br`` and retired or overlong codes (``iw``, ``eng``) are not: one language must have one spelling, or its
    samples would be counted apart. `canonical` mends such tags. ``und`` (undetermined) is known.
    """
    parts = _parse(tag)
    return parts is not None and parts.tag == tag and _registered(parts)


@lru_cache(maxsize=65536)
def canonical(tag: str) -> str | None:
    """The known tag that a loosely written one means, or None.

    Mends case, underscores, POSIX charsets (``pt_BR.UTF-8``), retired and three-letter codes (``iw``, ``eng``,
    ``arb_Arab``), and leaves out a script that goes without saying: ``zho_Hans`` is ``zh``, ``zho_Hant``
    is ``zh-Hant``.
    """
    parts = _parse(tag.strip().split(".")[0].replace("_", "-"))
    if parts is None:
        return None
    table = _table()
    replacement = _parse(table.aliases.get(parts.language, parts.language))
    if replacement is None:
        return None
    script = parts.script or replacement.script
    without = _Parts(replacement.language, "", parts.region, parts.variants, parts.extensions)
    with_script = _Parts(replacement.language, script, parts.region, parts.variants, parts.extensions)
    mended = without if script and script == _script(without) else with_script
    return mended.tag if _registered(mended) else None


@lru_cache(maxsize=4096)
def language(tag: str) -> Language:
    """What is known of a language.

    Raises `UserError` for a tag that is not known, with the tag that was probably meant.
    """
    parts = _parse(tag)
    if parts is None or not is_known(tag):
        raise UserError(f"no language has the tag {tag!r}", _advice(tag))
    script = _script(parts)
    written = f"{parts.language}-{script}"  # Serbian in Latin letters, Punjabi in Arabic ones: another autonym
    autonym = _table().autonyms.get(written) if script != _table().likely.get(parts.language) else None
    return Language(
        tag=tag,
        name=_name(parts, _table().names),
        autonym=autonym or _name(parts, _table().autonyms, _table().names),
        script=script,
        direction="rtl" if script in _table().rtl else "ltr",
    )


def named(name: str) -> str | None:
    """The tag of the language that is called so in English or in itself (``Arabic``, ``العربية``), or None.

    Case does not matter. English names go before others, and tags of fewer parts before longer ones.
    """
    return _called().get(nfc(name).strip().casefold())


@lru_cache(maxsize=1)
def _called() -> dict[str, str]:
    found: dict[str, str] = {}
    for names in (_table().names, _table().autonyms):
        for tag in sorted(names, key=lambda one: (one.count("-"), one)):
            if is_known(tag):
                found.setdefault(nfc(names[tag]).casefold(), tag)
    return found


def direction(tag: str) -> Direction:
    """``rtl`` or ``ltr``. Raises `UserError` for a tag that is not known."""
    return language(tag).direction


def base_language(tag: str) -> str:
    """The language subtag alone: ``pt`` for ``pt-BR``, ``zh`` for ``zh-Hant``."""
    return tag.split("-")[0]


def default_numbering(tag: str) -> str:
    """The CLDR's default numbering system (``latn``, ``arab``, ``deva``, …) of a language or locale."""
    numbering = _table().numbering
    subtags = tag.split("-")
    for size in range(len(subtags), 0, -1):
        found = numbering.get("-".join(subtags[:size]))
        if found is not None:
            return found
    return "latn"


def digits_of(numbering_system: str) -> str:
    """The ten digits, zero first, of a positional CLDR numbering system. Raises `ValueError` for another name."""
    try:
        return _table().digits[numbering_system]
    except KeyError:
        raise ValueError(f"no positional numbering system is called {numbering_system!r}") from None


def _script(parts: _Parts) -> str:
    if parts.script:
        return parts.script
    likely = _table().likely
    return likely.get(f"{parts.language}-{parts.region}") or likely.get(parts.language) or UNKNOWN_SCRIPT


def _name(parts: _Parts, *tables: dict[str, str]) -> str:
    """The longest prefix of the tag that has a name in the first table that knows the language, the rest after it."""
    subtags = [p for p in (parts.language, parts.script, parts.region, *parts.variants) if p]
    for names in tables:
        for size in range(len(subtags), 0, -1):
            name = names.get("-".join(subtags[:size]))
            if name is not None:
                rest = [_part_name(p) if names is _table().names else p for p in subtags[size:]]
                return f"{name} ({', '.join(rest)})" if rest else name
    return parts.tag


def _part_name(subtag: str) -> str:
    return _table().scripts.get(subtag) or _table().regions.get(subtag) or subtag


def _advice(tag: str) -> str:
    meant = canonical(tag)
    if meant is not None:
        return f"did you mean {meant!r}?"
    called = named(tag)
    if called is not None:
        return f"did you mean {called!r}?"
    near = difflib.get_close_matches(tag, _table().names, n=3)
    if len(tag) > _LONGEST_CODE:  # rather a name that is misspelt than a code
        spelt = difflib.get_close_matches(nfc(tag).casefold(), _called(), n=3, cutoff=0.8)
        near = list(dict.fromkeys(_called()[one] for one in spelt)) or near
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return "use a BCP-47 tag such as 'ar', 'pt-BR' or 'zh-Hant'"
