"""The order of samples: languages by temperature, each cycling through seeded permutations of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from polysee.mixture.keys import Keys, mix64, text_key, text_keys, unit
from polysee.mixture.weights import language_weights

Rows = npt.NDArray[np.int64]


def epoch_order(
    ids: Sequence[str],
    languages: Sequence[str],
    repeats: npt.NDArray[np.int64],
    *,
    temperature: float,
    count: int,
    seed: int,
    epoch: int = 0,
) -> Rows:
    """Draw ``count`` samples; returns their rows, shape (count,).

    A language's share is the sum of its samples' ``repeats`` (``weights.repeat_counts``), its part of the draws
    ``language_weights`` of that, to the nearest whole number. Its draws are spread evenly over the whole, each at a
    seeded place within its own stretch, so that every part of the order, and so every training step, mixes the
    languages alike. Within a language a cycle holds each sample as often as ``repeats`` says, its copies apart; when
    one is used up another begins in a new order.

    All of it is keyed by sample id, language, ``seed`` and ``epoch``: rows in another order, another machine or
    another number of workers give the same samples in the same order.

    Args: ``ids`` (distinct), ``languages`` and ``repeats`` (0 leaves a sample out) of shape (n,).
    Raises: ValueError for lengths that differ, equal ids, negative numbers, or nothing to draw from.
    """
    counts = np.asarray(repeats)
    _check(ids, languages, counts, count)
    if count == 0:
        return np.empty(0, np.int64)
    by_language: dict[str, list[int]] = {}
    for row in sorted(range(len(ids)), key=ids.__getitem__):
        if counts[row]:
            by_language.setdefault(languages[row], []).append(row)
    if not by_language:
        raise ValueError("every sample's repeat count is 0: there is nothing to draw from")
    shares = {language: float(counts[rows].sum()) for language, rows in sorted(by_language.items())}
    quotas = apportion(language_weights(shares, temperature), count)
    drawn, places = [], []
    for language, quota in quotas.items():
        if quota == 0:
            continue
        rows = np.array(by_language[language], np.int64)
        salt = text_key(f"order {seed} {epoch} {language}")
        drawn.append(_cycles(rows, text_keys(ids[row] for row in rows), counts[rows], quota, salt))
        number = np.arange(quota, dtype=np.uint64)
        places.append((number + unit(mix64(mix64(number) ^ salt))) / quota)
    chosen: Rows = np.concatenate(drawn)[np.argsort(np.concatenate(places), kind="stable")]
    return chosen


def apportion(weights: Mapping[str, float], count: int) -> dict[str, int]:
    """Whole numbers in proportion to weights of sum 1; they add up to ``count`` (largest remainders; ties by name)."""
    # Rounded, because the last digit of a power differs between mathematics libraries and could break a tie.
    exact = {name: round(weight * count, 6) for name, weight in weights.items()}
    quotas = {name: math.floor(value) for name, value in exact.items()}
    by_remainder = sorted(quotas, key=lambda name: (quotas[name] - exact[name], name))
    for name in by_remainder[: count - sum(quotas.values())]:
        quotas[name] += 1
    return quotas


def _cycles(rows: Rows, keys: Keys, repeats: Rows, quota: int, salt: Keys) -> Rows:
    """The first ``quota`` rows of one language's endless cycles; ``keys`` are the hashes of the samples' ids."""
    owner = np.repeat(np.arange(len(rows)), repeats)
    copy = np.arange(len(owner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    cycles = -(-quota // len(owner))
    cycle_salts = mix64(np.arange(cycles, dtype=np.uint64) ^ salt)
    copy_keys = mix64(keys[owner] ^ mix64(copy.astype(np.uint64)))
    # The copies of a sample drawn r times fall into r successive stretches of the cycle, one in each.
    places = (copy + unit(mix64(copy_keys ^ cycle_salts[:, None]))) / repeats[owner]
    return rows[owner[np.argsort(places, axis=1, kind="stable")]].reshape(-1)[:quota]


def _check(ids: Sequence[str], languages: Sequence[str], repeats: Rows, count: int) -> None:
    if not len(ids) == len(languages) == len(repeats):
        raise ValueError(f"{len(ids)} ids, {len(languages)} languages and {len(repeats)} repeats do not match")
    if len(repeats) and repeats.dtype.kind not in "iu":
        raise ValueError(f"repeats must be whole numbers, not {repeats.dtype}")
    if count < 0:
        raise ValueError(f"count must not be negative, not {count}")
    if (repeats < 0).any():
        raise ValueError(f"item {int((repeats < 0).argmax())}: the repeat count is negative")
    if len(set(ids)) != len(ids):
        twice = next(name for name, times in Counter(ids).items() if times > 1)
        raise ValueError(f"the id {twice!r} occurs more than once")
