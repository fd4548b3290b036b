"""The four services that a step can call: chat, translation, embedding, quality estimation. All take batches.

A backend answers every item of a batch, in order: with a result, or with a `Failure` that says why there is none. It
raises `UserError` only for what stops the whole run: a missing key, an unknown model, a spent budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one item has no result. ``reason``: a short stable slug that the funnel counts; ``detail``: for a person."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message. ``images``: encoded bytes (PNG, JPEG, WebP) that precede the text."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a chat model is asked.

    ``temperature`` ≥ 0; ``max_tokens`` ≥ 1; ``draw`` numbers independent answers to the same messages (each is asked
    and kept on its own); ``json_schema``: JSON text of the schema that the answer must fit, if it is to be JSON.
    """

    messages: tuple[ChatMessage, ...]
    temperature: float = 0.0
    max_tokens: int = 512
    draw: int = 0
    json_schema: str | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """An answer. ``finish``: why it ended (``stop``, ``length``, …); tokens as the service counts them (0: unsaid)."""

    text: str
    finish: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0


class Service(Protocol):
    """What all services say of themselves for the `Origin` of what they make; ``licence`` is that of their output."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def licence(self) -> str: ...


Check = Callable[[str], str | None]
"""Looks at an answer's text: `None` if it will do, else what is wrong with it (the model is told, and re-asked)."""


class Chat(Service, Protocol):
    """A chat model."""

    def ask(self, requests: Sequence[ChatRequest], check: Check | None = None) -> list[ChatReply | Failure]:
        """One answer a request, in order. An answer that ``check`` refuses is re-asked a few times, then a failure."""
        ...


@dataclass(frozen=True, slots=True)
class Segment:
    """A text to translate. ``source`` and ``target``: BCP-47 tags."""

    text: str
    source: str
    target: str


class Translator(Service, Protocol):
    """A translation system; what it cannot translate it says beforehand."""

    def supports(self, source: str, target: str) -> bool:
        """Whether it translates between two BCP-47 tags."""
        ...

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        """One translation a segment, in order. Languages may be mixed within a batch."""
        ...


class Embedder(Service, Protocol):
    """Maps texts of any language into one space."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), dimension)."""
        ...


@dataclass(frozen=True, slots=True)
class Translation:
    """What a quality estimator judges: a source, its translation and, where there is one, a human reference."""

    source: str
    hypothesis: str
    reference: str | None = None
    source_language: str = "en"
    target_language: str = "und"


class QualityEstimator(Service, Protocol):
    """Judges translations from 0 (useless) to 1 (perfect)."""

    def estimate(self, translations: Sequence[Translation]) -> list[float | Failure]:
        """One value a translation, in order."""
        ...
