"""What a transform is: samples in; none, one or many out for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

from polysee.schema.sample import Sample
from polysee.sources.base import MediaBlob, Params

ReadMedia = Callable[[str], bytes]
"""sha256 -> the stored bytes. Raises `KeyError` if the run has no such medium."""


@dataclass(frozen=True, slots=True)
class Made:
    """A sample that a transform made, with the new media (if any) that its `MediaRef`s point at."""

    sample: Sample
    media: tuple[MediaBlob, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A sample that could not be transformed; the engine writes it to the rejects with its reason."""

    sample: Sample
    reason: str
    detail: str = ""


class Transform(Protocol):
    """A class in the registry: ``Transform(params, seed=...)``.

    ``apply`` sees one fragment's samples in order, and must give the same output for the same sample whatever the
    other samples are. A sample that it does not concern is passed through unchanged.

    A class that calls services also has ``service_kinds``, which maps each parameter that names a service (or several)
    to what it must be (`polysee.services.config.Role`); it is then made with ``services=`` (`Services`) as well, must
    not ask anything before `apply`, and asks for whole batches. ``calls_per_sample`` (1.0 where it is missing) serves
    `polysee plan`.

    One that makes at most n samples of each, and no media, can say so in a class variable ``expansion``: `polysee plan`
    then knows rows and bytes of what follows.
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]: ...
