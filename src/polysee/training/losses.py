"""How the tokens of a batch are weighed in the loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def response_weights(lengths: Sequence[int] | npt.ArrayLike, *, exponent: float) -> npt.NDArray[np.float64]:
    """The weight of each token of a response of length l: 1 / l ** exponent; float64, the shape of ``lengths``.

    0 averages over tokens (long answers dominate), 1 over samples (short ones do), 0.5 is square averaging, the
    balance of InternVL 2.5 (section 3.4). Not normalised: divide by the sum over the global batch.

    Args: ``lengths``: tokens of each response that the loss counts, at least 1. ``exponent``: finite, at least 0.
    Raises: ValueError outside these ranges, naming the first length that is.
    """
    counts = np.asarray(lengths, np.float64)
    if not (np.isfinite(exponent) and exponent >= 0):
        raise ValueError(f"the exponent must be a number of at least 0, not {exponent}")
    bad = ~(np.isfinite(counts) & (counts >= 1))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"item {row}: a response has at least one token, not {counts.reshape(-1)[row]:g}")
    weights: npt.NDArray[np.float64] = counts**-exponent
    return np.asarray(weights)
