"""The top of the page: what was made, in how many languages, and how well it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from polysee.report import svg
from polysee.report.data import Material
from polysee.report.files import MacroEntry
from polysee.report.words import (
    DATA_WORDS,
    SEEN_ORDER,
    SEEN_WORDS,
    Tongue,
    baseline_words,
    compact,
    count,
    percent,
    plural,
)

_HEADER_BYTES = 100_000_000
"""The longest header that the safetensors format allows."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. ``note``: a smaller line below it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """A mean with its interval on a strip from never to always right."""

    label: str
    value: str
    low: str
    high: str
    strip: Markup
    main: bool = False


@dataclass(frozen=True, slots=True)
class Headline:
    """``missing``: why there is no score, where there is none. ``groups``: languages by what was seen of them."""

    name: str
    value: str
    interval: str
    verdict: str
    missing: str
    lines: tuple[ScoreLine, ...]
    tasks: tuple[str, ...]
    tiles: tuple[Tile, ...]
    groups: tuple[tuple[str, str, tuple[Tongue, ...]], ...]


def headline(material: Material) -> Headline:
    """What the page opens with: the macro score, its interval, the baselines, and which languages were trained how."""
    macro = material.files.scores.macro if material.files.scores else None
    missing = ""
    if material.files.data_only:
        missing = "Data only: the recipe trains no model."
    elif macro is None:
        missing = "The model has not been evaluated yet."
    elif macro.four_way is None:
        missing = "No task with four options was measured on new scenes in a language trained with pictures."
    lines = _score_lines(material)
    words = DATA_WORDS if material.files.data_only else SEEN_WORDS
    groups = tuple(
        (seen, words[seen], tuple(t for t in material.tongues.values() if t.seen == seen)) for seen in SEEN_ORDER
    )
    return Headline(
        name=material.files.name,
        value=percent(macro.four_way) if macro and macro.four_way is not None else "",
        interval=f"{lines[0].low}–{lines[0].high}" if lines else "",
        verdict=_verdict(material),
        missing=missing,
        lines=lines,
        tasks=macro.tasks if macro else (),
        tiles=tuple(_tiles(material)),
        groups=tuple(g for g in groups if g[2]),
    )


def _verdict(material: Material) -> str:
    macro = material.files.scores.macro if material.files.scores else None
    if macro is None or macro.four_way is None or macro.four_way_low is None or macro.four_way_high is None:
        return ""
    chance = f"guessing would score {percent(macro.chance, 0)} %"
    if macro.four_way_low > macro.chance:
        return f"above chance ({chance})"
    if macro.four_way_high < macro.chance:
        return f"below chance ({chance})"
    return f"not distinguishable from chance ({chance})"


def _score_lines(material: Material) -> tuple[ScoreLine, ...]:
    macro = material.files.scores.macro if material.files.scores else None
    if macro is None or macro.four_way is None:
        return ()
    low = macro.four_way if macro.four_way_low is None else macro.four_way_low
    high = macro.four_way if macro.four_way_high is None else macro.four_way_high
    entries = [("model", MacroEntry(value=macro.four_way, low=low, high=high))]
    entries += [(baseline_words(name), entry) for name, entry in sorted(macro.baselines.items())]
    return tuple(
        ScoreLine(
            label=label,
            value=percent(entry.value),
            low=percent(entry.low),
            high=percent(entry.high),
            strip=interval_strip(entry, macro.chance, "mark" if index == 0 else "mark quiet"),
            main=index == 0,
        )
        for index, (label, entry) in enumerate(entries)
    )


def interval_strip(entry: MacroEntry, chance: float | None, class_: str) -> Markup:
    """A dot with its interval between 0 and 1; chance is a dashed line."""
    parts = [svg.tag("rect", class_="track", x="0", y="45%", width="100%", height="10%", rx="1")]
    if chance is not None:
        x = svg.share(chance)
        parts.append(svg.tag("line", class_="chance", x1=x, x2=x, y1="0", y2="100%"))
    parts.append(svg.bar(entry.low, max(entry.high, entry.low + 0.002), f"{class_} span", y="35%", height="30%"))
    parts.append(svg.tag("circle", class_=f"{class_} dot", cx=svg.share(entry.value), cy="50%", r="5"))
    return svg.strip(parts)


def _tiles(material: Material) -> list[Tile]:
    tongues = list(material.tongues.values())
    short = {**_SHORT, "none": "no training samples"} if material.files.data_only else _SHORT
    by_seen = [(sum(t.seen == seen for t in tongues), words) for seen, words in short.items()]
    scripts = sorted({t.script for t in tongues if t.script != "Zzzz"})
    tiles = [
        Tile("languages", count(len(tongues)), " · ".join(f"{n} {words}" for n, words in by_seen if n)),
        Tile("scripts", count(len(scripts)), ", ".join(scripts)),
    ]
    found = material.survey
    if found is None:
        tiles.append(Tile("samples", "none yet"))
    else:
        train = sum(data.train for data in found.languages.values())
        held_out = sum(data.held_out for data in found.languages.values())
        tiles.append(Tile("training samples", compact(train), f"{count(held_out)} held out · {count(found.kept)} kept"))
        if found.media is not None:
            tiles.append(Tile("pictures and videos", compact(found.media), "each stored once"))
    if not material.files.data_only:
        tiles.append(_model_tile(material))
    log = material.files.log
    if log:
        tokens = sum(line.tokens for line in log)
        stages = len({line.stage for line in log})
        tiles.append(
            Tile("tokens trained on", compact(tokens), f"{plural(len(log), 'step')} in {plural(stages, 'stage')}")
        )
    return tiles


_SHORT = {"vl": "with pictures", "text": "text only", "none": "unseen"}


def _model_tile(material: Material) -> Tile:
    for stage in reversed(material.files.stages):
        try:
            parts = parameters(material.files.path / "checkpoints" / stage)
        except (OSError, ValueError, KeyError, TypeError) as error:
            material.files.notes.append(f"checkpoints/{stage} cannot be read ({type(error).__name__})")
            continue
        if parts:
            note = " · ".join(f"{compact(n)} {name}" for name, n in parts.items() if n)
            return Tile("parameters", compact(sum(parts.values())), note)
    return Tile("parameters", "none yet", "no checkpoint" if material.files.stages else "the recipe trains no model")


def parameters(folder: Path) -> dict[str, int]:
    """Numbers of weights by part, from the headers of a checkpoint's safetensors files; empty without any."""
    found = {"vision": 0, "connector": 0, "language": 0}
    files = sorted(folder.glob("*.safetensors"))
    for file in files:
        for name, shape in _shapes(file).items():
            size = 1
            for length in shape:
                size *= length
            part = "vision" if "vision" in name else "connector" if "projector" in name else "language"
            found[part] += size
    return found if files else {}


def _shapes(file: Path) -> dict[str, list[int]]:
    """Tensor shapes by name. The header is JSON after its length in eight little-endian bytes."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if length > _HEADER_BYTES:
            raise ValueError(f"{file} is no safetensors file")
        header = json.loads(handle.read(length))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
