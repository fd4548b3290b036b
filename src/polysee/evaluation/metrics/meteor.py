"""METEOR's exact and stem modules.

Left out are its synonym module, which needs WordNet and knows English alone, and its paraphrase tables; scores are
thus a little below those of the whole metric and alike for all languages. Stems are Snowball's, for languages whose
table in `extraction.languages` names a stemmer; elsewhere only the exact module is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from polysee.evaluation.extraction.lexicon import lexicon
from polysee.schema.errors import MissingExtra

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5
"""Weight of recall, and exponent and weight of the penalty for chunks (Banerjee and Lavie, 2005)."""


def meteor_score(answer: Sequence[str], gold: Sequence[str], language: str) -> float:
    """Score of one tokenized pair, 0-1: F(alpha) * (1 - gamma * (chunks / matches) ** beta).

    Words are aligned one to one, first equal ones, then those of equal stem; of several possible partners the one
    that goes on from the last match is taken, else the first free one.
    """
    pairs = _align(answer, gold, language)
    if not pairs:
        return 0.0
    matches = len(pairs)
    precision, recall = matches / len(answer), matches / len(gold)
    f_mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    chunks = 1 + sum(b != (a[0] + 1, a[1] + 1) for a, b in pairwise(pairs))
    return float(f_mean * (1 - GAMMA * (chunks / matches) ** BETA))


def _align(answer: Sequence[str], gold: Sequence[str], language: str) -> list[tuple[int, int]]:
    pairs: dict[int, int] = {}
    free = dict.fromkeys(range(len(gold)))
    sides = [(answer, gold)]
    if lexicon(language) is not None and _stemmer(language) is not None:
        sides.append(([stem(w, language) for w in answer], [stem(w, language) for w in gold]))
    for ours, theirs in sides:
        places: dict[str, list[int]] = {}
        for place in free:
            places.setdefault(theirs[place], []).append(place)
        for index, word in enumerate(ours):
            partners = places.get(word) if index not in pairs else None
            if partners:
                following = pairs.get(index - 1, -2) + 1
                chosen = following if following in partners else partners[0]
                partners.remove(chosen)
                pairs[index] = chosen
                del free[chosen]
    return sorted(pairs.items())


@lru_cache(maxsize=262144)
def stem(word: str, language: str) -> str:
    """The word's Snowball stem; the word itself where the language has no stemmer."""
    stemmer = _stemmer(language)
    return word if stemmer is None else str(stemmer.stemWord(word))


@lru_cache(maxsize=64)
def _stemmer(language: str) -> Any:
    table = lexicon(language)
    if table is None or table.stemmer is None:
        return None
    try:
        import snowballstemmer  # type: ignore[import-untyped]
    except ImportError as error:
        raise MissingExtra("snowballstemmer", "eval") from error
    return snowballstemmer.stemmer(table.stemmer)
