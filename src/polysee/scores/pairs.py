"""What the scores of translations share: which texts belong together, and one value a sample out of one a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import regex
from pydantic import Field

from polysee.schema.sample import IMAGE_MARK
from polysee.scores.base import TRANSLATED_FROM
from polysee.scores.model_languages import languages_of, listed_as
from polysee.sources.base import Params
from polysee.sources.fields import LanguageTag

_LETTER = regex.compile(r"\p{L}")

INPUTS = ("language", "turns", "tags", TRANSLATED_FROM.name)


class TranslationParams(Params):
    """Parameters of all scores of translations."""

    service: str = Field(min_length=1)
    """Name of the service that is asked."""
    tags: tuple[str, ...] | None = None
    """Only samples with one of these tags (`dataset:chartqa`) are asked about, the others are unknown; all where left
    out."""


class JudgedParams(TranslationParams):
    """Parameters of scores by a model that knows some languages only."""

    languages: tuple[LanguageTag, ...] | None = None
    """Languages that the model is good for, texts in any other are unknown; where left out those that are known of the
    model, and all for a model that nobody listed."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts of the sample in ``row`` of a batch: the one that it came from, and its own."""

    row: int
    source: str
    source_language: str
    text: str
    language: str


def translations(batch: pa.RecordBatch, tags: Sequence[str] | None) -> Iterator[Pair]:
    """Questions and answers of translations beside their sources.

    Instructions are left out: they come from pools in each language. So are texts without a letter, such as numbers,
    and samples that no longer have the turns of their source.
    """
    for row, sample in _samples(batch, tags):
        source = sample[TRANSLATED_FROM.name]
        if source is None or len(source["turns"]) != len(sample["turns"]):
            continue
        for old, new in zip(source["turns"], sample["turns"], strict=True):
            for part in ("input", "output"):
                if _LETTER.search(bare := _bare(old[part])):
                    yield Pair(row, bare, source["language"], _bare(new[part]), sample["language"])


def exchanges(batch: pa.RecordBatch, tags: Sequence[str] | None) -> Iterator[Pair]:
    """Answers beside their questions, where both have letters."""
    for row, sample in _samples(batch, tags):
        language = sample["language"]
        for turn in sample["turns"]:
            question, answer = _bare(turn["input"]), _bare(turn["output"])
            if _LETTER.search(question) and _LETTER.search(answer):
                yield Pair(row, question, language, answer, language)


def within(pairs: Iterable[Pair], model: str, languages: Sequence[str] | None) -> list[Pair]:
    """Those of ``pairs`` both of whose languages are among ``languages`` or, where that is None, the model's."""
    valid = languages_of(model) if languages is None else frozenset(map(listed_as, languages))
    return [
        pair for pair in pairs if valid is None or {listed_as(pair.source_language), listed_as(pair.language)} <= valid
    ]


def lowest(batch: pa.RecordBatch, pairs: Sequence[Pair], values: Sequence[float | None], name: str) -> pa.RecordBatch:
    """A column ``name`` with the lowest value of each sample's pairs; null where it has none, or one is unknown."""
    found: dict[int, list[float | None]] = {}
    for pair, value in zip(pairs, values, strict=True):
        found.setdefault(pair.row, []).append(value)
    column = [_lowest(found.get(row, [])) for row in range(batch.num_rows)]
    return pa.RecordBatch.from_arrays([pa.array(column, pa.float64())], names=[name])


def _lowest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _samples(batch: pa.RecordBatch, tags: Sequence[str] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, sample in enumerate(batch.to_pylist()):
        if tags is None or not set(tags).isdisjoint(sample["tags"]):
            yield row, sample


def _bare(text: str) -> str:
    return text.replace(IMAGE_MARK, " ").strip()
