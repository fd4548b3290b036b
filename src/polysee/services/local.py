"""The door for services that compute on this machine: cache, de-duplication, and a commit every so many answers."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue

from polysee.services.base import Embedder, Failure, QualityEstimator, Segment, Translation, Translator
from polysee.services.cache import AnswerCache, Key, Keys
from polysee.services.config import ApertiumConfig, EmbedConfig, QualityConfig, Seq2SeqConfig
from polysee.services.configured import Configured
from polysee.services.database import Database
from polysee.services.ledger import Ledger

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item")

LocalConfig = ApertiumConfig | Seq2SeqConfig | EmbedConfig | QualityConfig

_AT_ONCE = 256
"""Answers between two commits: what a kill can lose."""

_VALUE = struct.Struct("<d")


class _Kept:
    """Answers as bytes, computed once. ``version``: of the code that computes them."""

    def __init__(self, config: LocalConfig, version: int, database: Database) -> None:
        self._keys = Keys({"service": config.role, **config.identity()}, version)
        self._cache = AnswerCache(database)
        self._ledger = Ledger(database, config.name, None)

    def answers(
        self,
        items: Sequence[Item],
        question: Callable[[Item], JsonValue],
        compute: Callable[[list[Item]], Sequence[bytes | Failure]],
    ) -> list[bytes | Failure]:
        """One answer an item, in order; a failure is not kept, so that it is tried again next time."""
        keys = [self._keys.of(question(item)) for item in items]
        done: dict[Key, bytes | Failure] = dict(self._cache.find(keys))
        left = {key: item for key, item in zip(keys, items, strict=True) if key not in done}
        self._ledger.note(asked=len(left), hits=len(done))
        todo = list(left)
        for start in range(0, len(todo), _AT_ONCE):
            part = todo[start : start + _AT_ONCE]
            answers = dict(zip(part, compute([left[key] for key in part]), strict=True))
            self._cache.keep([(key, answer) for key, answer in answers.items() if isinstance(answer, bytes)])
            done.update(answers)
        return [done[key] for key in keys]


class CachedTranslator(Configured[ApertiumConfig | Seq2SeqConfig]):
    """A `Translator` whose translations are kept. ``make`` loads it when the first one is missing."""

    def __init__(self, config: ApertiumConfig | Seq2SeqConfig, make: Callable[[], Translator], database: Database):
        super().__init__(config)
        self._make = make
        self._made: Translator | None = None
        self._database = database
        self._kept: _Kept | None = None

    def supports(self, source: str, target: str) -> bool:
        """Whether it translates between two BCP-47 tags."""
        return self._opened().supports(source, target)

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        """One translation a segment, in order; equal segments are translated once."""
        translator = self._opened()
        if self._kept is None:
            self._kept = _Kept(self._config, getattr(translator, "version", 1), self._database)

        def compute(missing: list[Segment]) -> list[bytes | Failure]:
            return [one if isinstance(one, Failure) else one.encode() for one in translator.translate(missing)]

        answers = self._kept.answers(segments, lambda s: [s.text, s.source, s.target], compute)
        return [one if isinstance(one, Failure) else one.decode() for one in answers]

    def probe(self) -> None:
        """Raises `UserError` where the translator cannot work."""
        _pass_on(self._opened(), "probe")

    def close(self) -> None:
        """Let go of the translator."""
        if self._made is not None:
            _pass_on(self._made, "close")
            self._made = None

    def _opened(self) -> Translator:
        if self._made is None:
            self._made = self._make()
        return self._made


class CachedEmbedder:
    """An `Embedder` whose vectors are kept."""

    def __init__(self, config: EmbedConfig, embedder: Embedder, database: Database) -> None:
        self._embedder = embedder
        self._kept = _Kept(config, 1, database)

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def model(self) -> str:
        return self._embedder.model

    @property
    def licence(self) -> str:
        return self._embedder.licence

    def probe(self) -> None:
        """Raises `UserError` where it cannot work."""
        _pass_on(self._embedder, "probe")

    def close(self) -> None:
        """Let go of what it holds."""
        _pass_on(self._embedder, "close")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), dimension); (0, 0) for no text."""
        import numpy as np

        def compute(missing: list[str]) -> list[bytes]:
            return [row.astype("<f4").tobytes() for row in self._embedder.embed(missing)]

        rows = self._kept.answers(texts, lambda text: text, compute)
        joined = b"".join(row for row in rows if isinstance(row, bytes))
        return np.frombuffer(joined, "<f4").reshape(len(texts), -1 if texts else 0).astype(np.float32)


class CachedQuality:
    """A `QualityEstimator` whose values are kept."""

    def __init__(self, config: QualityConfig, estimator: QualityEstimator, database: Database) -> None:
        self._estimator = estimator
        self._kept = _Kept(config, 1, database)

    @property
    def name(self) -> str:
        return self._estimator.name

    @property
    def model(self) -> str:
        return self._estimator.model

    @property
    def licence(self) -> str:
        return self._estimator.licence

    def probe(self) -> None:
        """Raises `UserError` where it cannot work."""
        _pass_on(self._estimator, "probe")

    def close(self) -> None:
        """Let go of what it holds."""
        _pass_on(self._estimator, "close")

    def estimate(self, translations: Sequence[Translation]) -> list[float | Failure]:
        """One value from 0 to 1 a translation, in order."""

        def compute(missing: list[Translation]) -> list[bytes | Failure]:
            values = self._estimator.estimate(missing)
            return [value if isinstance(value, Failure) else _VALUE.pack(value) for value in values]

        # Languages are no part of the question: the model is not told them.
        answers = self._kept.answers(translations, lambda t: [t.source, t.hypothesis, t.reference], compute)
        return [one if isinstance(one, Failure) else float(_VALUE.unpack(one)[0]) for one in answers]


def _pass_on(service: object, method: str) -> None:
    """Call a method that not every backend has."""
    call: Callable[[], None] | None = getattr(service, method, None)
    if call is not None:
        call()
