"""Where two models disagree, picture by picture, chosen the same way every time."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from polysee.evaluation.compare import Paired
from polysee.evaluation.items import Item
from polysee.report.gallery import is_right
from polysee.report.pictures import Picture, pictures
from polysee.report.words import Tongue, in_order, split_words, tongue
from polysee.schema.arrow import from_table
from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.run import RunStore

Winner = Literal["first", "second"]
MOST_BYTES = 6_000_000
"""Of pictures on the page; later cards go without."""


@dataclass(frozen=True, slots=True)
class DuelCard:
    """One question that only one of the two models has answered rightly."""

    tongue: Tongue
    task: str
    split: str
    winner: Winner
    instruction: str
    question: str
    gold: str
    first: str
    second: str
    pictures: tuple[Picture, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Questions of one language. ``first`` and ``second``: right by that model alone."""

    tongue: Tongue
    both: int
    first: int
    second: int
    neither: int


@dataclass(frozen=True, slots=True)
class Duel:
    """``first`` is the base. ``missing``: why there is nothing to show, or ""."""

    first: str
    second: str
    tallies: tuple[Tally, ...]
    cards: tuple[DuelCard, ...]
    missing: str = ""

    @property
    def tongues(self) -> list[Tongue]:
        return in_order({card.tongue for card in self.cards})

    @property
    def tasks(self) -> list[str]:
        return sorted({card.task for card in self.cards})


def duel(paired: Paired | None, names: tuple[str, str], *, most: int, data: Sequence[Path] = ()) -> Duel:
    """Wins and losses of ``names[1]`` against ``names[0]`` and at most ``most`` cards.

    Questions and pictures come from the runs that were measured, and from the run folders ``data``; what none of them
    holds is shown without. Raises `UserError` for a ``data`` folder that is no run.
    """
    if paired is None:
        return Duel(*names, (), (), "These two models have no single answers to lay beside each other.")
    split = [(first, second) for first, second in paired.items if _right(first) != _right(second)]
    tallies = _tallies(paired)
    if not split:
        return Duel(*names, tallies, (), "The two models are right and wrong on the same questions.")
    chosen = choose(split, most)
    samples = _samples(_stores(paired, data), [first.key.sample for first, _ in chosen])
    budget = MOST_BYTES
    cards = []
    for first, second in chosen:
        card = _card(paired, first, second, samples.get(first.key.sample), budget > 0)
        budget -= sum(len(picture.source) for picture in card.pictures)
        cards.append(card)
    order = {one.tag: place for place, one in enumerate(in_order({card.tongue for card in cards}))}
    cards.sort(key=lambda card: (order[card.tongue.tag], card.task, card.winner))
    return Duel(*names, tallies, tuple(cards))


def choose(split: Iterable[tuple[Item, Item]], most: int) -> list[tuple[Item, Item]]:
    """Languages in turn; within a language, winners and tasks in turn. Among equals a hash of the sample decides."""
    buckets: dict[tuple[str, bool, str], list[tuple[Item, Item]]] = defaultdict(list)
    for pair in split:
        buckets[pair[0].key.cell.language, _right(pair[0]), pair[0].key.cell.task].append(pair)
    ranked: dict[str, list[tuple[int, str, tuple[Item, Item]]]] = defaultdict(list)
    for (language, _, _), pairs in buckets.items():
        for rank, pair in enumerate(sorted(pairs, key=_order)):
            ranked[language].append((rank, _order(pair), pair))
    turns = [
        (turn, language, pair)
        for language, rows in ranked.items()
        for turn, (_, _, pair) in enumerate(sorted(rows, key=lambda row: row[:2]))
    ]
    return [pair for _, _, pair in sorted(turns, key=lambda row: row[:2])[:most]]


def _right(item: Item) -> bool:
    return is_right(item.key.cell.metric, item.score)


def _order(pair: tuple[Item, Item]) -> str:
    key = pair[0].key
    return hashlib.sha256(f"{key.sample} {key.cell.task} {key.cell.metric}".encode()).hexdigest()


def _tallies(paired: Paired) -> tuple[Tally, ...]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for first, second in paired.items:
        place = {(True, True): 0, (True, False): 1, (False, True): 2, (False, False): 3}[_right(first), _right(second)]
        counts[first.key.cell.language][place] += 1
    tongues = in_order(tongue(tag, _seen(paired, tag)) for tag in counts)
    return tuple(Tally(one, *counts[one.tag]) for one in tongues)


def _seen(paired: Paired, tag: str) -> Literal["none", "text", "vl"]:
    return paired.new.seen.get(tag) or paired.base.seen.get(tag) or "none"


def _stores(paired: Paired, data: Sequence[Path]) -> list[RunStore]:
    """Runs that may hold the questions: those named, those measured, and those in whose folder was measured."""
    stores = [RunStore.open_read_only(path) for path in data]
    for path in (paired.base.path, paired.new.path):
        # `polysee eval` writes to RUN/eval/TASK by default.
        for folder in (path, path.resolve().parent.parent):
            if (folder / "steps").is_dir() and (folder / "samples.lance").is_dir():
                stores.append(RunStore.open_read_only(folder))
                break
    return stores


def _samples(stores: Sequence[RunStore], ids: Iterable[str]) -> dict[str, tuple[Sample, dict[str, bytes]]]:
    """Samples by id, each with the bytes of those of its media that are there."""
    found: dict[str, tuple[Sample, dict[str, bytes]]] = {}
    wanted = set(ids)
    for store in stores:
        left = sorted(one for one in wanted - found.keys() if one.isalnum())
        if not left:
            break
        names = ", ".join(f"'{one}'" for one in left)
        if store.data_manifest() is None:
            # A run that has no samples yet cannot help; its cards say that the question is missing.
            continue
        samples = list(from_table(store.samples(where=f"id IN ({names})")))
        media = store.media_table() if store.media_path.exists() else None
        keys = sorted({ref.sha256 for sample in samples for ref in sample.media if media is not None})
        data = media.read_many([key for key in keys if key in media]) if media is not None else {}
        for sample in samples:
            found[sample.id] = (sample, {ref.sha256: data[ref.sha256] for ref in sample.media if ref.sha256 in data})
    return found


def _card(
    paired: Paired, first: Item, second: Item, held: tuple[Sample, dict[str, bytes]] | None, room: bool
) -> DuelCard:
    cell = first.key.cell
    shown, left_out = _pictures(held, cell.task, room)
    sample = held[0] if held is not None else None
    gold = sample.turns[0].output if sample is not None else _text(paired.base.table, "gold", first.row)
    return DuelCard(
        tongue=tongue(cell.language, _seen(paired, cell.language)),
        task=cell.task,
        split=split_words(cell.split),
        winner="first" if _right(first) else "second",
        instruction=sample.instruction if sample is not None else "",
        question=sample.turns[0].input.replace(IMAGE_MARK, "🖼").strip() if sample is not None else "",
        gold=gold,
        first=_text(paired.base.table, "answer", first.row),
        second=_text(paired.new.table, "answer", second.row),
        pictures=shown,
        left_out=left_out,
    )


def _pictures(held: tuple[Sample, dict[str, bytes]] | None, task: str, room: bool) -> tuple[tuple[Picture, ...], int]:
    if held is None:
        return (Picture("", 0, 0, "the runs do not hold this question"),), 0
    if room or not held[0].media:
        return pictures(held[0].media, held[1], f" of a question about {task}")
    return (Picture("", 0, 0, "left out, to keep the page small"),), 0


def _text(table: pa.Table, column: str, row: int) -> str:
    return str(table[column][row].as_py() or "") if column in table.schema.names else ""
