"""Right and wrong answers with their pictures, chosen the same way every time."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from polysee.evaluation.boxes import parse_box
from polysee.evaluation.predictions import read_predictions
from polysee.report.data import Material
from polysee.report.pictures import Picture, in_shares, pictures
from polysee.report.words import Tongue, decimals, in_order, split_words
from polysee.schema.arrow import from_table
from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.run import RunStore

RIGHT = 0.5
"""A box or a text that is scored by degree counts as right from here on."""
_COLUMNS = ["sample", "task", "language", "split", "baseline", "metric", "answer", "score", "parsed", "wrong_language"]


@dataclass(frozen=True, slots=True)
class Option:
    """``log_probability``: in nats. ``share``: its probability among the options, in percent."""

    text: str
    log_probability: str
    share: float
    gold: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One answer. ``verdict``: right, wrong, or a score by degree. ``remarks``: what else was wrong with it."""

    tongue: Tongue
    task: str
    split: str
    right: bool
    verdict: str
    instruction: str
    question: str
    gold: str
    answer: str
    options: tuple[Option, ...]
    pictures: tuple[Picture, ...]
    left_out: int
    remarks: tuple[str, ...]
    sample: str


@dataclass(frozen=True, slots=True)
class Gallery:
    cards: tuple[Card, ...]
    tongues: tuple[Tongue, ...]
    right: int
    missing: str


def gallery(material: Material) -> Gallery:
    """Right and wrong answers with their pictures; says what is missing where there are none to show."""
    path = material.files.path / "predictions.lance"
    if not path.exists():
        return _empty("There are no answers yet: the model has not been evaluated.")
    if material.store is None:
        return _empty("There are answers, but the samples that they belong to cannot be read.")
    if material.files.gallery == 0:
        return _empty("The recipe asks for no gallery (report.gallery is 0).")
    table = read_predictions(path)
    plain = pc.is_null(table.column("variant")) if "variant" in table.schema.names else True
    table = table.filter(pc.and_(pc.is_null(table.column("baseline")), plain))
    if not table.num_rows:
        return _empty("There are no answers of the trained model yet.")
    rows = choose(table.select([*_COLUMNS]), [t.tag for t in material.tongues.values()], material.files.gallery)
    samples = _samples(material.store, [table_row["sample"] for table_row in rows])
    options = _option_scores(table, rows)
    cards = [
        _card(material, row, samples[row["sample"]][0], samples[row["sample"]][1], scores)
        for row, scores in zip(rows, options, strict=True)
        if row["sample"] in samples
    ]
    if len(cards) < len(rows):
        lost = len(rows) - len(cards)
        material.files.notes.append(f"{lost} answer(s) of the gallery belong to samples that the run does not hold")
    cards.sort(key=lambda card: (material.ordered(material.tongues).index(card.tongue), card.sample))
    tongues = in_order({card.tongue for card in cards})
    return Gallery(
        tuple(cards), tuple(tongues), sum(c.right for c in cards), "" if cards else "No answer can be shown."
    )


def _empty(why: str) -> Gallery:
    return Gallery((), (), 0, why)


def is_right(metric: str, score: float) -> bool:
    """Whether an answer counts as right for the gallery."""
    return score >= (RIGHT if metric in ("iou", "chrf") else 1.0)


def choose(table: pa.Table, languages: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Rows for the gallery: the languages in turn, right and wrong in turn, tasks as varied as can be.

    Among equals the hash of sample and metric decides, so that neither the order of the table nor chance plays a part.
    """
    waiting: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for index, row in enumerate(table.to_pylist()):
        waiting[row["language"]].append({**row, "index": index, "order": _order(row)})
    order = [tag for tag in languages if tag in waiting] + sorted(set(waiting) - set(languages))
    for rows in waiting.values():
        rows.sort(key=lambda row: str(row["order"]))
    chosen: list[dict[str, Any]] = []
    used: Counter[str] = Counter()
    used_here: Counter[tuple[str, str]] = Counter()
    turn = 0
    while len(chosen) < most and any(waiting.values()):
        for number, tag in enumerate(order):
            rows = waiting[tag]
            if not rows or len(chosen) >= most:
                continue
            right = (number + turn) % 2 == 0
            best = min(
                rows,
                key=lambda row: (
                    is_right(row["metric"], row["score"]) != right,
                    used_here[row["language"], row["task"]],
                    used[row["task"]],
                    row["order"],
                ),
            )
            rows.remove(best)
            used[best["task"]] += 1
            used_here[tag, best["task"]] += 1
            chosen.append(best)
        turn += 1
    return chosen


def _order(row: dict[str, Any]) -> str:
    return hashlib.sha256(f"{row['sample']} {row['metric']}".encode()).hexdigest()


def _option_scores(table: pa.Table, rows: Sequence[dict[str, Any]]) -> list[list[float]]:
    found: list[list[float]] = table.column("option_scores").take([row["index"] for row in rows]).to_pylist()
    return found


def _samples(store: RunStore, ids: Iterable[str]) -> dict[str, tuple[Sample, dict[str, bytes]]]:
    """Samples by id, each with the bytes of its media that the run holds."""
    wanted = ", ".join(f"'{one}'" for one in sorted(set(ids)) if one.isalnum())
    if not wanted:
        return {}
    found = list(from_table(store.samples(where=f"id IN ({wanted})")))
    media = store.media_table() if store.media_path.exists() else None
    keys = sorted({ref.sha256 for sample in found for ref in sample.media if media is not None and ref.sha256 in media})
    data = media.read_many(keys) if media is not None else {}
    return {s.id: (s, {r.sha256: data[r.sha256] for r in s.media if r.sha256 in data}) for s in found}


def _card(
    material: Material, row: dict[str, Any], sample: Sample, data: dict[str, bytes], scores: Sequence[float]
) -> Card:
    gold = sample.turns[0].output
    metric, score = row["metric"], row["score"]
    right = is_right(metric, score)
    concepts = [t.removeprefix("concept:") for t in sample.tags if t.startswith("concept:")]
    text = f": {' '.join(concepts)}" if concepts else f" of a question about {sample.task}"
    boxes = _boxes(metric, sample, gold, row["answer"])
    shown, left_out = pictures(sample.media, data, text, boxes)
    remarks = ["" if row["parsed"] else "cannot be parsed", "wrong language" if row["wrong_language"] else ""]
    by_degree = {"iou": "IoU", "chrf": "chrF"}
    return Card(
        tongue=material.tongue(sample.language),
        task=sample.task,
        split=split_words(row["split"]),
        right=right,
        verdict=f"{by_degree[metric]} {decimals(score)}" if metric in by_degree else "right" if right else "wrong",
        instruction=sample.instruction,
        question=sample.turns[0].input.replace(IMAGE_MARK, "🖼").strip(),
        gold=gold,
        answer=row["answer"],
        options=_options(sample, row["answer"], gold, scores),
        pictures=shown,
        left_out=left_out,
        remarks=tuple(r for r in remarks if r),
        sample=sample.id,
    )


def _boxes(metric: str, sample: Sample, gold: str, answer: str) -> list[tuple[str, tuple[float, ...]]]:
    if metric != "iou" or not sample.media or in_shares(parse_box(gold), sample.media[0]) is None:
        return []
    target = in_shares(parse_box(gold), sample.media[0])
    found = parse_box(answer)
    # The answer is in the scale of the gold box, whatever its own numbers look like.
    scale = 1000.0 if max(parse_box(gold) or [0.0]) > 1 else 1.0
    boxes = [("gold", target)] if target else []
    if found is not None:
        boxes.append(("guess", tuple(min(1.0, max(0.0, v / scale)) for v in found)))
    return boxes


def _options(sample: Sample, answer: str, gold: str, scores: Sequence[float]) -> tuple[Option, ...]:
    if not sample.options or len(scores) != len(sample.options):
        return ()
    top = max(scores)
    masses = [math.exp(score - top) for score in scores]
    return tuple(
        Option(
            text=text,
            log_probability=decimals(score).replace("-", "−"),
            share=mass / sum(masses),
            gold=text == gold,
            chosen=text == answer,
        )
        for text, score, mass in zip(sample.options, scores, masses, strict=True)
    )
