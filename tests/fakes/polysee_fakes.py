"""A small source, transform and score that tests put on the path; spawned workers find them by entry point."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar

import pyarrow as pa
from PIL import Image

from polysee.schema import UserError
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.services.base import ChatMessage, ChatRequest, Failure
from polysee.services.config import Role
from polysee.services.open import Services
from polysee.sources.base import MediaBlob, Reject, SourceRecord
from polysee.sources.base import Params as BaseParams
from polysee.transforms.base import Failed, Made, ReadMedia

WORDS = (
    ("en", "a red square"),
    ("ar", "مربّع أحمر"),
    ("zh", "红色的正方形"),
    ("th", "สี่เหลี่ยมสีแดง"),
    ("hi", "लाल वर्ग"),
    ("ja", "赤い四角"),
    ("am", "ቀይ ካሬ"),
)


def picture(number: int, size: int = 12) -> bytes:
    """A PNG of one colour; equal numbers give equal bytes."""
    buffer = io.BytesIO()
    colour = (number * 37 % 256, number * 91 % 256, number % 256)
    Image.new("RGB", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


class Params(BaseParams):
    """``first``: the number of the first record, so that two sources can overlap. ``bad``: every n-th is unusable."""

    shards: int = 3
    per_shard: int = 8
    first: int = 0
    split: str = "train"
    bad: int = 0
    odd_language: str = ""
    same_key: bool = False
    die_in: str = ""
    raise_in: str = ""
    refuse_in: str = ""
    stamp: str = ""
    hang: bool = False


class Fake:
    Params: ClassVar[type[BaseParams]] = Params
    version: ClassVar[int] = 1
    licence = "CC0-1.0"

    def __init__(self, params: Params, *, seed: int) -> None:
        self.params = params

    def fingerprint_inputs(self) -> Sequence[str]:
        return ("content " + self.params.stamp,)

    def shards(self) -> Sequence[str]:
        return [f"s{number}" for number in range(self.params.shards)]

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        self._misbehave(shard)
        for at in range(self.params.per_shard):
            yield self._record(shard, self.params.first + int(shard[1:]) * self.params.per_shard + at)

    def _misbehave(self, shard: str) -> None:
        if shard == self.params.die_in:
            os.kill(os.getpid(), signal.SIGKILL)
        if shard == self.params.raise_in:
            raise RuntimeError("a defect of the source")
        if shard == self.params.refuse_in:
            raise UserError("the archive is locked", "unlock it", place=shard)
        while self.params.hang:
            signal.pause()

    def _record(self, shard: str, number: int) -> SourceRecord | Reject:
        p = self.params
        language, words = WORDS[number % len(WORDS)]
        key = "same" if p.same_key else f"{shard}/{number}"
        if p.bad and number % p.bad == 0:
            if number % (2 * p.bad) == 0:
                return Reject(key, "no-caption", "the caption is empty", language)
            return SourceRecord(key, "naming", language, (Turn("", words),), (MediaBlob(b"not a picture", place=key),))
        return SourceRecord(
            key=key,
            task="naming",
            language=p.odd_language or language,
            turns=(Turn("", f"{words} {number}"),),
            # Neighbouring shards share pictures, so that workers compete for storing them.
            media=(MediaBlob(picture(number % 10)),),
            split=p.split,
            tags=(f"number:{number}",),
        )


class DoubleParams(BaseParams):
    """``fail``: every n-th input fails. ``drop``: every n-th gives nothing."""

    fail: int = 0
    drop: int = 0


class Double:
    """Each sample, and a copy in Portuguese with a picture of its own."""

    Params: ClassVar[type[BaseParams]] = DoubleParams
    version: ClassVar[int] = 1

    def __init__(self, params: DoubleParams, *, seed: int) -> None:
        self.params = params

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        for sample in samples:
            number = int(sample.tags[0].partition(":")[2])
            if self.params.fail and number % self.params.fail == 0:
                yield Failed(sample, "no-translation", "the service was silent")
                continue
            if self.params.drop and number % self.params.drop == 0:
                continue
            assert read_media(sample.media[0].sha256).startswith(b"\x89PNG")
            yield Made(sample)
            yield self._copy(sample, number)

    def _copy(self, sample: Sample, number: int) -> Made:
        data = picture(number % 5, size=20)
        copy = make_sample(
            task=sample.task,
            language="pt-BR",
            turns=(Turn("", f"coração {number}"),),
            origin=Origin("", "", ""),
            media=(MediaRef(sha256(data).hexdigest(), "image", 20, 20),),
            split=sample.split,
            tags=sample.tags,
        )
        made_from = tuple(replace(origin, parent=sample.id, step="double") for origin in sample.origins)
        return Made(replace(copy, origins=made_from), (MediaBlob(data),))


class AskParams(BaseParams):
    """``service``: the chat model that is asked."""

    service: str
    judges: tuple[str, ...] = ()


class Ask:
    """Each sample with the answer of a chat model in place of its own."""

    Params: ClassVar[type[BaseParams]] = AskParams
    version: ClassVar[int] = 1
    service_kinds: ClassVar[Mapping[str, Role]] = {"service": "chat", "judges": "quality"}
    calls_per_sample: ClassVar[float] = 1.0

    def __init__(self, params: AskParams, *, seed: int, services: Services) -> None:
        self.chat = services.chat(params.service)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        inputs = list(samples)
        asked = [ChatRequest((ChatMessage("user", sample.turns[0].output),)) for sample in inputs]
        for sample, answer in zip(inputs, self.chat.ask(asked), strict=True):
            if isinstance(answer, Failure):
                yield Failed(sample, answer.reason, answer.detail)
                continue
            made = make_sample(
                task=sample.task,
                language=sample.language,
                turns=(Turn("", answer.text),),
                origin=replace(
                    sample.origin, parent=sample.id, step="ask", service=self.chat.name, model=self.chat.model
                ),
                media=sample.media,
                tags=sample.tags,
            )
            yield Made(made)


class LettersParams(BaseParams):
    """``fail``: every n-th row raises."""

    fail: int = 0


class Letters:
    """The number of letters of the first answer; unknown for Thai."""

    Params: ClassVar[type[BaseParams]] = LettersParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = ("language", "turns", "tags")
    outputs: ClassVar[pa.Schema] = pa.schema([pa.field("letters", pa.int64())])

    def __init__(self, params: LettersParams) -> None:
        self.params = params

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        values: list[int | None] = []
        for row in batch.to_pylist():
            number = int(row["tags"][0].partition(":")[2])
            if self.params.fail and number % self.params.fail == 0:
                raise ValueError(f"row {number} cannot be scored")
            values.append(None if row["language"] == "th" else len(row["turns"][0]["output"]))
        return pa.RecordBatch.from_arrays([pa.array(values, pa.int64())], schema=self.outputs)
