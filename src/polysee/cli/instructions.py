"""The instructions of a run's samples, counted for ``polysee show --instructions``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysee.cli.text import count, table

if TYPE_CHECKING:
    from polysee.store.run import RunStore

_HEAD = ("language", "samples", "without", "instructions", "words", "edit distance within a task", "across tasks")


def instruction_table(store: RunStore, where: str | None) -> str:
    """For each language: samples, those without an instruction, different instructions, words of one, and how many
    edits two of them are apart. ``where``: SQL. Raises `MissingExtra` without rapidfuzz."""
    from polysee.transforms.diversity import diversity

    samples: dict[str, int] = {}
    without: dict[str, int] = {}
    asked: dict[str, dict[str, set[str]]] = {}
    for batch in store.sample_batches(columns=["language", "task", "instruction"], where=where):
        for row in batch.to_pylist():
            tag, instruction = row["language"], row["instruction"]
            samples[tag] = samples.get(tag, 0) + 1
            if instruction:
                asked.setdefault(tag, {}).setdefault(row["task"], set()).add(instruction)
            else:
                without[tag] = without.get(tag, 0) + 1
    rows: list[tuple[str, ...]] = [_HEAD]
    for tag in sorted(samples):
        found = diversity({task: sorted(sentences) for task, sentences in asked.get(tag, {}).items()})
        spreads = (str(one) for one in (found.words, found.within, found.across))
        rows.append((tag, count(samples[tag]), count(without.get(tag, 0)), count(found.instructions), *spreads))
    return table(rows, right=frozenset(range(1, len(_HEAD))))
