"""What the card of an export says about its samples, counted in one pass over a few columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from polysee.schema.provenance import Provenance, provenance
from polysee.schema.sample import Sample

_UNSTATED = frozenset({"", "unknown", "other", "none", "not stated"})


@dataclass
class Facts:
    """Counts of the exported samples. ``sources``: by source and licence, a sample counts for each of its origins."""

    samples: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    media: Counter[str] = field(default_factory=Counter)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    makings: Counter[tuple[str, Provenance]] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)

    def count(self, sample: Sample, steps: Mapping[str, str]) -> None:
        """Count one sample. ``steps``: name of each → what the recipe uses there."""
        self.samples += 1
        self.languages[sample.language] += 1
        self.splits[sample.split] += 1
        self.tasks[sample.task] += 1
        kinds: set[str] = {medium.kind for medium in sample.media}
        self.media.update(kinds or {"none"})
        self.sources.update({(origin.source, origin.licence) for origin in sample.origins})
        self.models.update({origin.model for origin in sample.origins if origin.model})
        self.makings[sample.language, provenance(sample, steps)] += 1

    @property
    def licences(self) -> list[str]:
        return sorted({licence for _, licence in self.sources})


def step_uses(recipe: str) -> dict[str, str]:
    """Name of each transform → what it uses, out of a resolved recipe's text; nothing of one that is no YAML."""
    try:
        content = YAML(typ="safe", pure=True).load(recipe)
    except YAMLError:
        return {}
    listed = content.get("transforms") if isinstance(content, dict) else None
    entries = [entry for entry in listed or [] if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {str(entry.get("name")): str(entry.get("use")) for entry in entries}


def is_unstated(licence: str) -> bool:
    """Whether a licence says nothing."""
    return licence.strip().casefold() in _UNSTATED
