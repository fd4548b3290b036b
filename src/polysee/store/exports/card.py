"""The dataset card: ``README.md`` with the Hub's front matter, made from the run's lineage and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from polysee import __version__
from polysee.schema.errors import UserError
from polysee.schema.licences import is_non_commercial
from polysee.schema.provenance import PROVENANCES
from polysee.store.exports.facts import Facts, is_unstated
from polysee.store.manifest import DATA_VERBS, FunnelRow
from polysee.text.languages import language

_HUB_LICENCES = re.compile(
    r"apache-2\.0|mit|bsd-[23]-clause|cc|cc0-1\.0|cc-by(?:-nc)?(?:-sa|-nd)?-[234]\.0|l?gpl-3\.0|gpl-2\.0|agpl-3\.0|"
    r"mpl-2\.0|ofl-1\.1|odc-by|odbl|pddl|unlicense|wtfpl|zlib"
)
"""Identifiers that the Hub knows; all others are ``other`` there."""

_FEW_SAMPLES = 100
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says. ``files``: a split's name on the Hub → pattern of its files. ``keeps``: `Outcome.lines`."""

    name: str
    format: str
    selection: str
    facts: Facts
    keeps: tuple[str, ...]
    funnel: tuple[FunnelRow, ...]
    recipe: str
    fingerprint: str
    files: Mapping[str, str]
    source: str
    source_params: Mapping[str, str]


def card(of: Card) -> str:
    """The text of the card: equal for equal exports, so it has no date and no path."""
    parts = [
        _front(of),
        f"# {_plain(of.name)}\n\n{_opening(of)}",
        *_warnings(of.facts),
        "## Languages\n\n" + _languages(of.facts),
        "## Contents\n\n" + _contents(of.facts),
        "## Sources and licences\n\n" + _sources(of.facts),
        "## How it was made\n\n" + _funnel(of),
        "## What the format keeps\n\nFound by reading these very files back and comparing.\n\n"
        + _points(map(_plain, of.keeps)),
        "## Known limits\n\n" + _points(_limits(of)),
        f"## Reading it with polysee\n\n{_reading(of)}",
        "## Recipe\n\n" + (_fenced("yaml", of.recipe) if of.recipe else "The run has no recipe file."),
    ]
    return "\n\n".join(parts) + "\n"


def _front(of: Card) -> str:
    facts = of.facts
    tags = sorted(facts.languages)
    licences = sorted({_hub_licence(part) for licence in facts.licences for part in _parts(licence)})
    fields: dict[str, object] = {
        "pretty_name": of.name,
        "language": sorted({tag.partition("-")[0] for tag in tags}),
        "language_details": tags,
        "multilinguality": "multilingual" if len(tags) > 1 else "monolingual",
        "license": licences[0] if len(licences) == 1 else licences,
    }
    if "other" in licences:
        fields["license_name"] = "see-sources-and-licences"
        fields["license_link"] = "README.md"
    fields["task_categories"] = list(_categories(facts))
    fields["size_categories"] = next((name for limit, name in _SIZES if facts.samples < limit), "n>10M")
    fields["tags"] = ["polysee", *(["not-for-commercial-use"] if any(map(is_non_commercial, facts.licences)) else [])]
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    # JSON is YAML: texts in quotes cannot be taken for something else, as `no` for Norwegian is.
    configs = [{"config_name": "default", "data_files": [{"split": s, "path": p} for s, p in of.files.items()]}]
    return "\n".join(["---", *lines, f"configs: {json.dumps(configs)}", "---"])


def _categories(facts: Facts) -> Iterator[str]:
    if facts.media["image"] or facts.media["page"]:
        yield "image-text-to-text"
        yield "visual-question-answering"
    if facts.media["video"]:
        yield "video-text-to-text"
    if facts.media["none"]:
        yield "text-generation"


def _opening(of: Card) -> str:
    return (
        f"{_number(of.facts.samples, 'sample')} in {_number(len(of.facts.languages), 'language')}, written in the "
        f"format `{of.format}` by polysee {__version__}. The choice: {_plain(of.selection)}. "
        f"The data's fingerprint is `{of.fingerprint}`."
    )


def _warnings(facts: Facts) -> Iterator[str]:
    forbidden = [licence for licence in facts.licences if is_non_commercial(licence)]
    if forbidden:
        number = sum(n for (_, licence), n in facts.sources.items() if licence in forbidden)
        names = ", ".join(map(_plain, forbidden))
        yield (
            "> [!WARNING]\n> **Not for commercial use.** "
            f"{_number(number, 'sample')} {'stands' if number == 1 else 'stand'} under a licence that forbids it: "
            f"{names}."
        )
    unstated = sum(number for (_, licence), number in facts.sources.items() if is_unstated(licence))
    if unstated:
        yield (
            "> [!WARNING]\n> **Licence not stated.** "
            f"{_number(unstated, 'sample')} {'comes' if unstated == 1 else 'come'} from a source of which no licence "
            "is known; nobody may assume one."
        )


def _languages(facts: Facts) -> str:
    rows = [("language", "", "samples", *PROVENANCES)]
    for tag, number in sorted(facts.languages.items(), key=lambda pair: (-pair[1], pair[0])):
        shares = (f"{facts.makings[tag, making] / number:.1%}" for making in PROVENANCES)
        rows.append((f"`{_plain(tag)}`", _language_name(tag), f"{number:,}", *shares))
    total = (f"{sum(facts.makings[tag, m] for tag in facts.languages) / facts.samples:.1%}" for m in PROVENANCES)
    rows.append(("all", "", f"{facts.samples:,}", *total))
    models = f"\n\nModels that made text: {', '.join(map(_plain, sorted(facts.models)))}." if facts.models else ""
    return _table(rows) + models


def _contents(facts: Facts) -> str:
    rows = [("", "", "samples")]
    for what, counts in (("split", facts.splits), ("task", facts.tasks), ("media", facts.media)):
        rows += [(what, _plain(name), f"{number:,}") for name, number in sorted(counts.items())]
    return _table(rows)


def _sources(facts: Facts) -> str:
    rows = [("source", "licence", "samples")]
    for (source, licence), number in sorted(facts.sources.items()):
        shown = _plain(licence) or "not stated"
        rows.append((_plain(source), f"**{shown}**" if is_non_commercial(licence) else shown, f"{number:,}"))
    return _table(rows)


def _funnel(of: Card) -> str:
    """Samples of each language after each step, and why the others went."""
    rows = [row for row in of.funnel if row.verb in DATA_VERBS]
    steps = list(dict.fromkeys(row.step for row in rows))
    left: dict[tuple[str, str], int] = {}
    for row in rows:
        at = row.step, row.language
        left[at] = left.get(at, 0) + _after(row)
    tags = sorted({row.language for row in rows} | set(of.facts.languages))
    head = ("language", *map(_plain, steps), "here")
    cells = [(f"`{_plain(tag)}`", *(f"{left.get((step, tag), 0):,}" for step in steps)) for tag in tags]
    here = [f"{of.facts.languages[tag]:,}" for tag in tags]
    table = _table([head, *((*cell, number) for cell, number in zip(cells, here, strict=True))])
    text = f"Samples that each step left (a score drops none, a source's are those that could be read).\n\n{table}"
    gone = [_reasons(row) for row in rows if row.verb != "score"]
    unrated = [_reasons(row) for row in rows if row.verb == "score"]
    for title, points in (("What went, and why", gone), ("What has no value of a score, and stayed", unrated)):
        if any(points):
            text += f"\n\n{title}:\n\n{_points(filter(None, points))}"
    return text


def _after(row: FunnelRow) -> int:
    """Samples that are there after a step: a score keeps those that it cannot rate too."""
    if row.verb == "score":
        return row.in_
    return row.out if row.made is None else row.made


def _reasons(row: FunnelRow) -> str:
    """Why samples of a language went or have no value; "" where none is so."""
    why = [*row.dropped, *(pair for pair in (("unknown", row.unknown), ("failed", row.failed)) if pair[1])]
    said = ", ".join(f"{_plain(reason)} {number:,}" for reason, number in why)
    return f"{_plain(row.step)}, `{_plain(row.language)}`: {said}" if said else ""


def _limits(of: Card) -> list[str]:
    facts = of.facts
    found = []
    made = facts.samples - sum(number for (_, making), number in facts.makings.items() if making == "authentic")
    if made:
        found.append(f"{made:,} of {facts.samples:,} samples have words that a model translated or wrote")
    few = sorted(tag for tag, number in facts.languages.items() if number < _FEW_SAMPLES)
    if few:
        found.append(f"fewer than {_FEW_SAMPLES} samples each: {', '.join(f'`{_plain(tag)}`' for tag in few)}")
    if "train" in facts.splits and len(facts.splits) > 1:
        others = ", ".join(_plain(split) for split in sorted(facts.splits) if split != "train")
        found.append(f"held out for measuring, not for training: {others}")
    found.append("how a text came about is judged by the steps and services that its lineage names")
    return found


def _reading(of: Card) -> str:
    params = ["path: path/to/this/folder", *(f"{name}: {value}" for name, value in of.source_params.items())]
    lines = ["sources:", "  - name: exported", f"    use: {of.source}", "    params:", *(f"      {p}" for p in params)]
    return _fenced("yaml", "\n".join(lines))


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [head, tuple("---" for _ in head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _points(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _fenced(kind: str, text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{kind}\n{text.rstrip()}\n{fence}"


def _number(number: int, one: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _plain(text: str) -> str:
    """``text`` on one line, without anything that Markdown or HTML would take for its own."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", flat).replace("<", "&lt;").replace(">", "&gt;")


def _language_name(tag: str) -> str:
    try:
        return language(tag).name
    except UserError:
        return "unknown"


def _parts(licence: str) -> list[str]:
    return [part.strip(" ()") for part in re.split(r"\b(?:AND|OR)\b|[,;/]", licence) if part.strip(" ()")] or [""]


def _hub_licence(licence: str) -> str:
    short = licence.casefold().replace(" ", "-")
    return short if _HUB_LICENCES.fullmatch(short) else "unknown" if is_unstated(licence) else "other"
