"""Translators compared over a reference set: chrF, BLEU, native speakers' ratings, seconds and cost, with intervals.

AIN chose its translator so (section 2.1, Tables 4 and 5), and the language of its prompt with it; M3IT kept the
languages whose BLEU from English is above 20.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polysee.evaluation.statistics import LEVEL, Interval, clustered_mean
from polysee.schema.errors import MissingExtra, UserError
from polysee.services.base import Failure, Segment, Translator
from polysee.services.translators.guarded import Guard, translate_texts
from polysee.sources.rows import unreadable
from polysee.sources.tuxpaint import TuxPaint, TuxPaintParams
from polysee.text.languages import base_language, is_known, language
from polysee.text.normalise import nfc

M3IT_BLEU = 20.0
"""M3IT keeps a language whose BLEU from English, 0–100, is above this."""

Measure = Literal["rating", "chrf", "bleu"]

_CHUNK = 64
"""Texts between two looks at the clock: the spread of the seconds is that between chunks."""
_RATING = "rating:"
# Words are not separated: characters, or sacrebleu's own Chinese rule, stand for them.
_BLEU_TOKENS = {"zh": "zh", "yue": "zh", "ja": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}


@dataclass(frozen=True, slots=True)
class Reference:
    """A text and what a person made of it. ``ratings``: system -> a native speaker's rating of its translation, 0–1."""

    source: str
    reference: str
    target_language: str
    source_language: str = "en"
    ratings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Seconds a text. ``low`` and ``high``: None where nothing shows their spread."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One system in one language. ``chrf`` and ``bleu``: 0–100, a failed translation counting as an empty one.

    ``rating``: mean of the native ratings, 0–1, where there are any. ``seconds``, ``cost``: a text; the ends of
    ``seconds`` are None where one chunk was all there was to time. ``failed``: of ``n``, by reason.
    """

    system: str
    model: str
    licence: str
    target: str
    n: int
    chrf: Interval
    bleu: Interval
    rating: Interval | None
    seconds: Seconds
    cost: float
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Entrant:
    """A system to compare. ``spent``: what it has cost so far."""

    name: str
    translator: Translator
    spent: Callable[[], float]


def read_references(path: Path, *, source: str = "en", target: str | None = None) -> list[Reference]:
    """A reference set from JSON lines or a TSV with a head.

    Fields: ``source``, ``reference``, ``target_language`` (else ``target``), ``source_language`` (else ``source``), and
    ``ratings`` (an object) or columns ``rating:<system>``. Raises `UserError` with the line of a faulty row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(_json_rows(lines) if path.suffix == ".jsonl" else _tsv_rows(lines))
    except OSError as error:
        raise unreadable(path, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"the reference set cannot be read: {error}", "give JSON lines or a TSV in UTF-8",
                        place=str(path)) from None  # fmt: skip
    if not rows:
        raise UserError("the reference set is empty", "give at least one row", place=str(path))
    return [_reference(row, f"{path}:{number}", source, target) for number, row in rows]


def tuxpaint_references(targets: Sequence[str], *, root: str | None = None) -> list[Reference]:
    """The English captions of Tux Paint's stamps with those that people wrote in other languages.

    Raises `UserError` for a tag that is not known, and where the stamps are not installed or have no caption in a
    target.
    """
    for target in targets:
        language(target)
    source = TuxPaint(TuxPaintParams(root=root, languages=tuple({"en", *targets}), size=16))
    captions: dict[str, dict[str, str]] = {}
    for shard in source.shards():
        for record in source.read(shard):
            stem, _, tag = record.key.rpartition(":")
            if hasattr(record, "turns"):
                captions.setdefault(stem, {})[tag] = record.turns[0].output
    found = [
        Reference(one["en"], one[target], target)
        for target in targets
        for _, one in sorted(captions.items())
        if "en" in one and target in one
    ]
    for target in targets:
        if not any(one.target_language == target for one in found):
            raise UserError(f"Tux Paint has no caption in {target!r}", "choose other targets")
    return found


def compare(
    entrants: Sequence[Entrant],
    references: Sequence[Reference],
    *,
    guard: Guard | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Comparison]:
    """Each system in each target language of the set that it supports, by language and then in the order given."""
    found = []
    for target in sorted({one.target_language for one in references}):
        rows = [one for one in references if one.target_language == target]
        for entrant in entrants:
            if all(entrant.translator.supports(one.source_language, target) for one in rows):
                found.append(_compare(entrant, rows, guard, resamples, seed))
    return found


def winner(results: Sequence[Comparison], measure: Measure | None = None) -> str:
    """The system with the best mean over all languages: of the native ratings where every system has them, else of
    chrF. Only systems that were compared in every language stand. Raises `UserError` where there is none."""
    targets = {one.target for one in results}
    by_system: dict[str, list[Comparison]] = {}
    for one in results:
        by_system.setdefault(one.system, []).append(one)
    whole = {name: rows for name, rows in by_system.items() if {row.target for row in rows} == targets}
    if not whole:
        raise UserError("no translator has all languages of the reference set", "compare them on fewer languages")
    rated = all(row.rating is not None for rows in whole.values() for row in rows)
    chosen = measure or ("rating" if rated else "chrf")
    if chosen == "rating" and not rated:
        raise UserError("not every translator has native ratings", "rate them all, or choose chrf")

    def mean(name: str) -> float:
        intervals: list[Interval] = [getattr(row, chosen) for row in whole[name]]
        return sum(interval.value for interval in intervals) / len(intervals)

    return max(whole, key=mean)


def passing_languages(results: Mapping[str, float] | Sequence[Comparison], threshold: float = M3IT_BLEU) -> list[str]:
    """The languages whose BLEU (0–100) is above ``threshold``, sorted.

    ``results``: language -> BLEU in 0–100, or comparisons, of which a language's best system counts.
    """
    scores: dict[str, float] = {}
    if isinstance(results, Mapping):
        scores.update(results)
    else:
        for one in results:
            scores[one.target] = max(scores.get(one.target, 0.0), one.bleu.value)
    return sorted(tag for tag, score in scores.items() if score > threshold)


def bleu_tokens(tag: str) -> str:
    """The sacrebleu tokeniser for a language: ``intl`` where words are separated."""
    return _BLEU_TOKENS.get(base_language(tag), "intl")


def _compare(entrant: Entrant, rows: Sequence[Reference], guard: Guard | None, resamples: int, seed: int) -> Comparison:
    segments = [Segment(one.source, one.source_language, one.target_language) for one in rows]
    before, answers, times = entrant.spent(), list[str | Failure](), list[tuple[float, int]]()
    for start in range(0, len(segments), _CHUNK):
        chunk = segments[start : start + _CHUNK]
        clock = time.perf_counter()
        answers += translate_texts(entrant.translator, chunk, guard)
        times.append((time.perf_counter() - clock, len(chunk)))
    texts = ["" if isinstance(answer, Failure) else answer for answer in answers]
    references = [nfc(one.reference) for one in rows]
    failed: dict[str, int] = {}
    for answer in answers:
        if isinstance(answer, Failure):
            failed[answer.reason] = failed.get(answer.reason, 0) + 1
    target = rows[0].target_language
    ratings = [one.ratings[entrant.name] for one in rows if entrant.name in one.ratings]
    names = [str(number) for number in range(len(ratings))]
    return Comparison(
        system=entrant.name,
        model=entrant.translator.model,
        licence=entrant.translator.licence,
        target=target,
        n=len(rows),
        chrf=_corpus(_metric("CHRF"), texts, references, resamples, seed),
        bleu=_corpus(_metric("BLEU", tokenize=bleu_tokens(target)), texts, references, resamples, seed),
        rating=clustered_mean(ratings, names, resamples=resamples, seed=seed) if ratings else None,
        seconds=_seconds(times, resamples, seed),
        cost=(entrant.spent() - before) / len(rows),
        failed=failed,
    )


def _metric(name: str, **options: str) -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise MissingExtra("sacrebleu", "eval") from error
    return getattr(metrics, name)(**options)


def _corpus(metric: Any, texts: Sequence[str], references: Sequence[str], resamples: int, seed: int) -> Interval:
    """A corpus score as 0–100, and its percentile bootstrap over texts."""
    # sacrebleu's own bootstrap fails where a resample scores exactly 0 (its kinds of float do not add up), so that the
    # counts of each text, which corpus_score adds up too, are resampled here.
    counts = np.asarray(metric._extract_corpus_statistics(list(texts), [list(references)]), np.float64)

    def score(total: NDArray[np.float64]) -> float:
        return min(float(metric._compute_score_from_stats(total.tolist()).score), 100.0)  # rounding may lead above

    value = score(counts.sum(0))
    picks = np.random.Generator(np.random.PCG64([seed, len(texts)])).integers(0, len(texts), (resamples, len(texts)))
    draws = [score(counts[pick].sum(0)) for pick in picks]
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(value, min(low, value), max(high, value))


def _seconds(times: Sequence[tuple[float, int]], resamples: int, seed: int) -> Seconds:
    """Seconds a text, and the percentile bootstrap over chunks, which one chunk alone does not have."""
    table = np.asarray(times, np.float64)
    value = float(table[:, 0].sum() / table[:, 1].sum())
    if len(table) == 1:
        return Seconds(value, None, None)
    picks = np.random.Generator(np.random.PCG64(seed)).integers(0, len(table), (resamples, len(table)))
    draws = table[picks].sum(1)
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Seconds(value, min(low, value), max(high, value))


def _json_rows(lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise csv.Error(f"line {number}: {error}") from None
            yield number, row if isinstance(row, dict) else {}


def _tsv_rows(lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in reader:
        ratings = {
            name.removeprefix(_RATING): cell for name, cell in row.items() if name and name.startswith(_RATING) and cell
        }
        yield reader.line_num, {**row, "ratings": ratings}


def _reference(row: Mapping[str, Any], place: str, source: str, target: str | None) -> Reference:
    fix = "a row has source, reference, target_language, and ratings from 0 to 1 if there are any"
    found = Reference(
        source=nfc(str(row.get("source") or "")).strip(),
        reference=nfc(str(row.get("reference") or "")).strip(),
        target_language=str(row.get("target_language") or target or ""),
        source_language=str(row.get("source_language") or source),
    )
    if not found.source or not found.reference:
        raise UserError("the row has no source or no reference", fix, place=place)
    for tag in (found.source_language, found.target_language):
        if not is_known(tag):
            language(tag)  # raises with the tag that was probably meant
    try:
        ratings = {str(name): float(value) for name, value in dict(row.get("ratings") or {}).items()}
    except (TypeError, ValueError):
        raise UserError("a rating is no number", fix, place=place) from None
    if not all(0.0 <= rating <= 1.0 for rating in ratings.values()):
        raise UserError("a rating is not from 0 to 1", fix, place=place)
    return replace(found, ratings=ratings)
