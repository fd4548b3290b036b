"""Sentences that polysee itself puts into prompts, in the language of the question."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from ruamel.yaml import YAML

from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.text.languages import base_language


class Phrases(Config):
    """One language's. ``letter``: asks for an option's letter; ``reason``: asks for the steps, and for the result
    between answer tags; ``nudge``: a request to answer in this language, and the promise to do so.
    """

    letter: str
    reason: str
    nudge: tuple[str, str]


def phrases(tag: str) -> Phrases:
    """The sentences of a BCP-47 tag or of its base language. Raises `UserError` for a language without any."""
    table = _table()
    for name in (tag, base_language(tag)):
        if name in table:
            return table[name]
    raise UserError(
        f"polysee has no sentences in {tag!r} to ask for letters, reasoning or a language",
        f"write the sentence into the task's own prompt, or add {tag!r} to evaluation/tasks/phrases.yaml",
    )


def languages() -> list[str]:
    """Tags that have sentences, sorted."""
    return sorted(_table())


@lru_cache(maxsize=1)
def _table() -> dict[str, Phrases]:
    source = files("polysee.evaluation.tasks").joinpath("phrases.yaml").read_text(encoding="utf-8")
    content = YAML(typ="safe", pure=True).load(source)
    return {str(tag): Phrases.model_validate(entry) for tag, entry in content["languages"].items()}
