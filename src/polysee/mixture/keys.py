"""Random-looking 64-bit keys that depend on content and seed alone: not on the machine, the row order or the process.

Orders are made by sorting such keys. NumPy promises no stable shuffle across its versions, and ``hash()`` changes with
every process.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]


def text_key(text: str) -> Keys:
    """BLAKE2b of the text's UTF-8 bytes, cut to 64 bits; shape (1,), because NumPy's scalars warn when they wrap."""
    return text_keys([text])


def text_keys(texts: Iterable[str]) -> Keys:
    """One key for each text; shape (n,)."""
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def mix64(values: Keys) -> Keys:
    """The output of splitmix64 (Steele, Lea and Flood, OOPSLA 2014) for each state: a bijection; same shape."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def unit(keys: Keys) -> npt.NDArray[np.float64]:
    """Keys as numbers in [0, 1), from their top 53 bits; exact, same shape."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53
