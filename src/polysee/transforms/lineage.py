"""How a sample that a transform made points back at the one that it was made from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from polysee.schema.sample import MediaRef, Sample, make_sample
from polysee.sources.base import Params


def parameters_hash(params: Params, *extra: object) -> str:
    """16 hex digits of a step's parameters and of whatever else decides its result (its version, its seed)."""
    text = "\0".join([params.model_dump_json(), *map(repr, extra)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def derive(
    parent: Sample,
    *,
    step: str,
    parameters: str,
    instruction: str | None = None,
    media: tuple[MediaRef, ...] | None = None,
    add_tags: Iterable[str] = (),
) -> Sample:
    """``parent`` with another instruction or other media: a new id, and every origin naming parent and step."""
    made = make_sample(
        task=parent.task,
        language=parent.language,
        turns=parent.turns,
        origin=parent.origin,
        media=parent.media if media is None else media,
        instruction=parent.instruction if instruction is None else instruction,
        options=parent.options,
        split=parent.split,
        tags=tuple({*parent.tags, *add_tags}),
        references=parent.references,
    )
    origins = tuple(replace(o, parent=parent.id, step=step, parameters=parameters) for o in parent.origins)
    return replace(made, origins=origins)
