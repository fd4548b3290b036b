"""How the words of a sample came about: people wrote them in its language, they were translated, or a model wrote them.

One rule for the recipe's steps, the report and the cards of exports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from polysee.schema.sample import Sample

Provenance = Literal["authentic", "translated", "synthetic"]
PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)

_TRANSLATED = re.compile(r"translat|back-?trans", re.IGNORECASE)
_SYNTHETIC = re.compile(r"synthe|generated|paraphras|caption", re.IGNORECASE)
_TAGS = ("made", "origin", "text", "how")
STATED = rf"^({'|'.join(('provenance', *_TAGS))}):|^({'|'.join(PROVENANCES)})(:|$)"
"""A regular expression that finds the tags that `stated_provenance` looks at."""


def provenance(sample: Sample, steps: Mapping[str, str] | None = None) -> Provenance:
    """What the tag ``provenance:`` says, or one such as ``made:translated``; else what `by_origins` finds."""
    stated = stated_provenance(sample.tags)
    named = ((origin.step, origin.service, origin.model) for origin in sample.origins)
    return stated or by_origins(named, steps)


def stated_provenance(tags: Iterable[str]) -> Provenance | None:
    """What tags say, or None."""
    pairs = [tag.partition(":")[::2] for tag in tags]
    for kind in PROVENANCES:
        if ("provenance", kind) in pairs:
            return kind
    stated = [value for key, value in pairs if key in _TAGS] + [key for key, _ in pairs if key in PROVENANCES]
    if any(map(_TRANSLATED.search, stated)):
        return "translated"
    return "synthetic" if any(map(_SYNTHETIC.search, stated)) else None


def by_origins(origins: Iterable[tuple[str, str, str]], steps: Mapping[str, str] | None = None) -> Provenance:
    """What step, service and model of each origin say: a translating one makes a sample translated, another model
    makes it synthetic.

    ``steps``: the name of each step → what the recipe uses there. Rules without a model (an instruction from a pool, a
    box drawn) leave a sample authentic.
    """
    listed = list(origins)
    named = [word for step, service, _ in listed for word in ((steps or {}).get(step, step), service)]
    if any(map(_TRANSLATED.search, named)):
        return "translated"
    return "synthetic" if any(service or model for _, service, model in listed) else "authentic"
