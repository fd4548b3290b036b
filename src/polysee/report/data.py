"""What the samples table says, gathered in one pass: counts by language, where they came from, how text is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from polysee.evaluation.scores import Seen
from polysee.report.files import Plan, RunFiles, read_run
from polysee.report.words import Tongue, in_order, tongue
from polysee.schema.errors import UserError
from polysee.schema.provenance import STATED, Provenance, by_origins, stated_provenance
from polysee.store.run import RunStore
from polysee.text.segment import count_graphemes

TRAIN = "train"
_RANKS: tuple[Provenance, ...] = ("authentic", "synthetic", "translated")
"""Of several origins the last of these counts, as in `by_origins`."""
_BETWEEN = "\x1f"
_CUT_SAMPLES = 200
"""Samples a language whose text is counted in tokens: a rate needs no more."""


@dataclass
class LanguageData:
    """Kept samples of one language. ``made``: those of the training split, by who wrote them. ``characters`` and
    ``text_tokens``: of the text that was counted."""

    pictured: int = 0
    text_only: int = 0
    held_out: int = 0
    made: Counter[Provenance] = field(default_factory=Counter)
    characters: int = 0
    text_tokens: int = 0
    counted: int = 0

    @property
    def train(self) -> int:
        return self.pictured + self.text_only


@dataclass
class DataSurvey:
    """``samples``: all rows; ``kept``: those that every select step kept; ``media``: distinct pictures and videos.

    ``origins``: samples by (source, licence). ``train``: columns ``id`` and ``language`` of the kept training samples.
    ``tokeniser``: why tokens could not be counted, or None.
    """

    samples: int = 0
    kept: int = 0
    media: int | None = None
    languages: dict[str, LanguageData] = field(default_factory=dict)
    origins: Counter[tuple[str, str]] = field(default_factory=Counter)
    train: pa.Table = field(default_factory=lambda: _ids([], []))
    tokeniser: str | None = None

    def seen(self, tag: str) -> Seen:
        """What the kept training samples hold of a language."""
        found = self.languages.get(tag)
        if found is None or not found.train:
            return "none"
        return "vl" if found.pictured else "text"


def open_store(files: RunFiles) -> RunStore | None:
    """The run's datasets to read, or None with a note where there are none yet."""
    if not (files.path / "steps").is_dir():
        files.notes.append("the samples cannot be shown: no step has finished yet")
        return None
    try:
        store = RunStore.open_read_only(files.path, warn=lambda line: None)
        store.sample_schema()
    except UserError as error:
        files.notes.append(f"the samples cannot be shown: {error.cause}")
        return None
    return store


def survey(files: RunFiles, store: RunStore | None) -> DataSurvey | None:
    """Count everything; None where there are no samples."""
    if store is None:
        return None
    found = DataSurvey(samples=store.count())
    if store.media_path.exists():
        found.media = len(store.media_table())
    count_tokens, found.tokeniser = _tokeniser(files.path)
    ids: list[pa.Array] = []
    languages: list[pa.Array] = []
    columns = ["id", "language", "split", "media", "turns", "origins", "tags"]
    steps = {str(entry.get("name")): str(entry.get("use")) for entry in files.entries("transforms")}
    for batch in store.sample_batches(columns, store.kept()):
        _count_batch(found, batch, count_tokens)
        _count_makers(found, batch, steps)
        train = pc.equal(batch.column("split"), TRAIN)
        ids.append(batch.column("id").filter(train))
        languages.append(batch.column("language").filter(train))
    found.train = _ids(ids, languages)
    return found


def _ids(ids: list[pa.Array], languages: list[pa.Array]) -> pa.Table:
    text = pa.string()
    return pa.table({"id": pa.chunked_array(ids, text), "language": pa.chunked_array(languages, text)})


def _count_batch(found: DataSurvey, batch: pa.RecordBatch, count_tokens: Callable[[list[str]], int] | None) -> None:
    found.kept += batch.num_rows
    keys = pa.table(
        {
            "language": batch.column("language"),
            "train": pc.equal(batch.column("split"), TRAIN),
            "pictured": pc.greater(pc.list_value_length(batch.column("media")), 0),
        }
    )
    for row in keys.group_by(keys.column_names).aggregate([([], "count_all")]).to_pylist():
        here = found.languages.setdefault(row["language"], LanguageData())
        name = "held_out" if not row["train"] else "pictured" if row["pictured"] else "text_only"
        setattr(here, name, getattr(here, name) + row["count_all"])
    origins = pc.list_flatten(batch.column("origins"))
    pairs = pa.table({name: pc.struct_field(origins, name) for name in ("source", "licence")})
    for row in pairs.group_by(pairs.column_names).aggregate([([], "count_all")]).to_pylist():
        found.origins[row["source"], row["licence"]] += row["count_all"]
    if count_tokens is not None:
        _count_text(found, batch, count_tokens)


def _count_makers(found: DataSurvey, batch: pa.RecordBatch, steps: Mapping[str, str]) -> None:
    """`polysee.schema.provenance.provenance` of all training rows, each distinct origin and few tags looked at."""
    origins = batch.column("origins")
    names = [pc.struct_field(pc.list_flatten(origins), name) for name in ("step", "service", "model")]
    listed = pc.binary_join_element_wise(*names, _BETWEEN).dictionary_encode()
    told = (one.split(_BETWEEN) for one in listed.dictionary.to_pylist())
    kinds = [by_origins([(step, service, model)], steps) for step, service, model in told]
    rank = np.zeros(batch.num_rows, np.int8)
    parents = pc.list_parent_indices(origins).to_numpy()
    np.maximum.at(rank, parents, np.array([_RANKS.index(kind) for kind in kinds], np.int8)[listed.indices.to_numpy()])
    made = [_RANKS[one] for one in rank.tolist()]
    tags = batch.column("tags")
    says = pc.match_substring_regex(pc.list_flatten(tags), STATED)
    for row in np.unique(pc.list_parent_indices(tags).filter(says).to_numpy()).tolist():
        made[row] = stated_provenance(tags[row].as_py()) or made[row]
    train = pc.equal(batch.column("split"), TRAIN).to_pylist()
    for tag, kind, wanted in zip(batch.column("language").to_pylist(), made, train, strict=True):
        if wanted:
            found.languages[tag].made[kind] += 1


def _count_text(found: DataSurvey, batch: pa.RecordBatch, count_tokens: Callable[[list[str]], int]) -> None:
    tags = batch.column("language").to_pylist()
    train = pc.equal(batch.column("split"), TRAIN).to_pylist()
    turns = batch.column("turns")
    for index, tag in enumerate(tags):
        here = found.languages[tag]
        if not train[index] or here.counted >= _CUT_SAMPLES:
            continue
        texts = [text for turn in turns[index].as_py() for text in (turn["input"], turn["output"]) if text]
        here.counted += 1
        here.characters += sum(map(count_graphemes, texts))
        here.text_tokens += count_tokens(texts)


def _tokeniser(run: Path) -> tuple[Callable[[list[str]], int] | None, str | None]:
    """Counts tokens of texts by the run's own tokenizer; or None and the reason."""
    path = run / "tokenizer" / "tokenizer.json"
    if not path.is_file():
        return None, "the run has no tokenizer yet"
    try:
        from tokenizers import Tokenizer
    except ImportError:
        return None, "counting tokens needs: pip install 'polysee[train]'"
    core: Any = Tokenizer.from_file(str(path))

    def tokens(texts: list[str]) -> int:
        return sum(len(encoding.ids) for encoding in core.encode_batch(texts, add_special_tokens=False))

    return tokens, None


@dataclass(frozen=True, slots=True)
class Planned:
    """What the plans hold of a language: ``tokens`` (visual ones too) and ``passes`` (a sample seen once is one)."""

    tokens: int
    passes: int


def planned(plans: tuple[Plan, ...], found: DataSurvey | None) -> dict[str, Planned]:
    """By language, over all stages; empty without plans or samples."""
    if found is None or not plans or not found.train.num_rows:
        return {}
    total: Counter[str] = Counter()
    passes: Counter[str] = Counter()
    for plan in plans:
        by_sample = plan.rows.group_by("sample").aggregate([("tokens", "sum"), ([], "count_all")])
        joined = by_sample.join(found.train, keys="sample", right_keys="id", join_type="inner")
        for row in joined.group_by("language").aggregate([("tokens_sum", "sum"), ("count_all", "sum")]).to_pylist():
            total[row["language"]] += row["tokens_sum_sum"]
            passes[row["language"]] += row["count_all_sum"]
    return {tag: Planned(total[tag], passes[tag]) for tag in sorted(total)}


@dataclass(frozen=True)
class Material:
    """All that the sections draw on. ``tongues``: the run's languages by tag, in the page's order."""

    files: RunFiles
    store: RunStore | None
    survey: DataSurvey | None
    tongues: dict[str, Tongue]

    def tongue(self, tag: str) -> Tongue:
        return self.tongues.get(tag) or tongue(tag)

    def ordered(self, tags: Iterable[str]) -> list[Tongue]:
        return in_order(self.tongue(tag) for tag in set(tags))


def gather(path: Path) -> Material:
    """Read a run. Raises `UserError` if ``path`` is no run folder."""
    files = read_run(path)
    store = open_store(files)
    found = survey(files, store)
    return Material(files, store, found, {t.tag: t for t in _tongues(files, found)})


def _tongues(files: RunFiles, found: DataSurvey | None) -> list[Tongue]:
    seen: dict[str, Seen] = {row.language: "none" for row in files.funnel or ()}
    if found is not None:
        seen.update({tag: found.seen(tag) for tag in found.languages})
    if files.scores is not None:
        seen.update({score.language: score.seen for score in files.scores.rows if score.seen is not None})
    return in_order(tongue(tag, what) for tag, what in seen.items() if tag != "und")
