"""What every backend does: write answers to dialogues with pictures, and, if it can, weigh given candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from polysee.schema.sample import Sample

View = Literal["blank", "untrained"] | None
"""Who looks: the model itself, the model without pixels, or a model of the same shape with random weights."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question. The last turn of ``sample`` is asked, behind the turns before it; its answer is not looked at.

    ``temperature`` 0: the likeliest answer; else ``draw`` numbers independent answers to one question.
    """

    sample: Sample
    max_new_tokens: int
    temperature: float = 0.0
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """``failure``: why there is no answer ("" where there is one); ``cost``: in the currency of the service's prices.

    Tokens are as the backend counts them; 0 where it does not say.
    """

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Weight:
    """How likely a candidate answer is. ``total``: log probability in nats, end token included, of ``tokens``."""

    total: float
    tokens: int

    @property
    def mean(self) -> float:
        """Per token: the negative logarithm of the perplexity."""
        return self.total / self.tokens


class Backend(Protocol):
    """``weighs``: whether `weigh` works. ``views``: the baselines that it can stand in for."""

    @property
    def weighs(self) -> bool: ...
    @property
    def views(self) -> frozenset[str]: ...
    @property
    def identity(self) -> str:
        """Part of the fingerprint of its answers."""
        ...

    def begin(self, samples: Sequence[Sample]) -> None:
        """The samples of the next questions, whose media may be looked at once for all of them."""
        ...

    def write(self, requests: Sequence[Request], view: View = None) -> list[Answer]:
        """One answer a request, in order."""
        ...

    def weigh(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]], view: View = None
    ) -> list[list[Weight]]:
        """How likely each of a request's candidates is. Raises `UserError` where the backend cannot tell."""
        ...
