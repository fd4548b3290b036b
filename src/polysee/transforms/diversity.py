"""How many instructions there are and how much they differ, counted as in table 2 of the M3IT paper."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path

from ruamel.yaml import YAML

from polysee.schema.errors import MissingExtra, UserError
from polysee.text.segment import count_words, graphemes
from polysee.transforms.instruct import load_pool

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and standard deviation of ``count`` values; both are 0 where there are none."""

    mean: float
    deviation: float
    count: int

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.deviation:.1f}" if self.count else "–"


@dataclass(frozen=True, slots=True)
class Diversity:
    """``families``: instructions of each family of tasks. ``words``: of an instruction, as `polysee.text.segment`
    counts them (a character is a word in scripts without spaces).

    ``within`` and ``across``: edit distances in graphemes between two different instructions of one pool, and between
    those of two pools.
    """

    instructions: int
    families: tuple[tuple[str, int], ...]
    words: Spread
    within: Spread
    across: Spread


def pool_diversity(language: str, folder: Path | None = None) -> Diversity:
    """Of the pools of a language. Raises `UserError` where it has none, `MissingExtra` without rapidfuzz."""
    pool = load_pool(language, folder)
    if pool is None:
        raise UserError(f"there are no instruction pools in {language!r}", "name a language that has a file of pools",
                        place=str(folder) if folder is not None else None)  # fmt: skip
    return diversity(pool.pools)


def diversity(pools: Mapping[str, Iterable[str]]) -> Diversity:
    """Of pools: name -> instructions. Raises `MissingExtra` without rapidfuzz."""
    distinct = {name: tuple(dict.fromkeys(sentences)) for name, sentences in pools.items()}
    texts = [sentence for sentences in distinct.values() for sentence in sentences]
    owners = [name for name, sentences in distinct.items() for _ in sentences]
    within: list[int] = []
    across: list[int] = []
    for (i, j), distance in zip(combinations(range(len(texts)), 2), _distances(texts), strict=True):
        (within if owners[i] == owners[j] else across).append(distance)
    counts: dict[str, int] = {}
    for name, sentences in distinct.items():
        counts[family(name)] = counts.get(family(name), 0) + len(sentences)
    order = [*families(), OTHER]
    return Diversity(
        instructions=len(texts),
        families=tuple((name, counts[name]) for name in order if name in counts),
        words=spread([count_words(text) for text in texts]),
        within=spread(within),
        across=spread(across),
    )


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation (of the values themselves, not of a population behind them)."""
    if not values:
        return Spread(0.0, 0.0, 0)
    mean = math.fsum(values) / len(values)
    return Spread(mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values)), len(values))


@lru_cache(maxsize=1)
def families() -> dict[str, tuple[str, ...]]:
    """Family of tasks -> names of its pools, in the order in which they are shown."""
    text = (files("polysee.transforms") / "families.yaml").read_text(encoding="utf-8")
    return {name: tuple(pools) for name, pools in YAML(typ="safe", pure=True).load(text).items()}


def family(pool: str) -> str:
    """The family of a pool, or ``other``."""
    return next((name for name, pools in families().items() if pool in pools), OTHER)


def _distances(texts: Sequence[str]) -> Iterable[int]:
    """The edit distance of every pair, in the order of `itertools.combinations`."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ModuleNotFoundError:
        raise MissingExtra("rapidfuzz", "eval") from None
    # One character of a private plane for each grapheme: a vowel sign is no letter of its own to a reader.
    codes: dict[str, str] = {}
    coded = ["".join(codes.setdefault(g, chr(0xF0000 + len(codes))) for g in graphemes(text)) for text in texts]
    return (Levenshtein.distance(one, other) for one, other in combinations(coded, 2))
