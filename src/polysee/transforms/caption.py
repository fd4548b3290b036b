"""Captions by a vision chat model, asked for in the language in which they are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import Field

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Sample, Turn
from polysee.services.base import ChatMessage, ChatReply, ChatRequest
from polysee.services.config import Role
from polysee.services.open import Services
from polysee.sources.fields import LanguageTag
from polysee.text.normalise import nfc, squeeze
from polysee.text.segment import is_legible
from polysee.transforms.asking import AskingParams, Job, ask_all, batched, chat_of, pictures, request, spoken
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.checks import in_language, is_refusal
from polysee.transforms.forecast import Counts, Forecast, SampleKind, add
from polysee.transforms.instruct import all_pools, load_pool
from polysee.transforms.lineage import parameters_hash
from polysee.transforms.rewriting import SYNTHETIC, Maker, draw, rewritten

TASK = "captioning"
_TOKENS = (1100, 100)
"""Of a request with one picture and of its reply, about: ours, for a picture of a thousand tokens."""
_ROLE = (
    "You describe pictures. Write in {language}, in one paragraph of at most {words} words. Say what can be seen and "
    "where; guess at nothing. Reply with the description alone."
)


class CaptionParams(AskingParams):
    """Parameters of the transform."""

    languages: tuple[LanguageTag, ...] | None = None
    """A caption in each of these; in the sample's own language where left out."""
    words: int = Field(default=60, ge=5, le=1000)
    """The most words that the model is asked for."""
    keep: bool = True
    """Keep the sample beside its captions; else the captions stand in its place."""


@dataclass(slots=True, kw_only=True)
class _Job(Job):
    """A caption in one language. ``words``: at most so many are asked for."""

    tag: str
    prompt: str
    words: int
    caption: str = ""

    def request(self, attempt: int) -> ChatRequest:
        role = _ROLE.format(language=spoken(self.tag), words=self.words)
        messages = (ChatMessage("system", role), ChatMessage("user", self.prompt, self.images))
        return request(messages, attempt, max(256, 8 * self.words))

    def fault(self, reply: ChatReply) -> str | None:
        text = self.caption = squeeze(nfc(reply.text))
        self.detail = text[:200]
        if not text:
            return "caption-empty"
        if reply.finish == "length":
            return "caption-cut-off"
        if not is_legible(text):
            return "caption-illegible"
        if is_refusal(text, self.tag):
            return "caption-refusal"
        return None if in_language(text, self.tag) else "caption-other-language"


class Caption:
    """A sample of task ``captioning`` for each language: prompt of that language's pool, caption of the model.

    Which prompt is drawn depends on the pictures, the language and the seed, so that samples of one picture ask for one
    caption. Samples without media pass unchanged.
    """

    Params: ClassVar[type[CaptionParams]] = CaptionParams
    version: ClassVar[int] = 2
    service_kinds: ClassVar[dict[str, Role]] = {"service": "chat"}

    def __init__(self, params: CaptionParams, *, seed: int = 0, services: Services | None = None) -> None:
        self._params = params
        self._seed = seed
        self._services = services
        self._maker = Maker("caption", parameters_hash(params, self.version, seed))
        for tag in params.languages or ():
            if not caption_prompts(tag):
                known = ", ".join(_prompted())
                raise UserError(f"there are no caption prompts in {tag!r}", f"choose among {known}")

    def fingerprint_inputs(self) -> Sequence[str]:
        """The prompts of the languages that are named, or of all."""
        return [prompt for tag in self._params.languages or _prompted() for prompt in caption_prompts(tag)]

    @staticmethod
    def forecast(params: CaptionParams, counts: Counts) -> Forecast:
        """A request and a sample for each language, as if every sample had a picture and every first try were right."""
        made: dict[SampleKind, int] = {}
        asked = 0
        for kind, number in counts.items():
            wanted = params.may_concern(kind)
            if params.keep or not wanted:
                add(made, kind, number)
            for tag in (params.languages or (kind.language,)) if wanted else ():
                add(made, replace(kind, task=TASK, language=tag), number)
                asked += number
        return Forecast(made, asked, _TOKENS)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """The sample, if it is kept, and a `Made` or `Failed` a language; reasons: ``service-…``, ``caption-…``,
        ``no-prompt`` and those of `polysee.media`."""
        chat = chat_of(self._services, self._params.service)
        maker = self._maker.by(chat)
        for batch in batched(samples, self._params.batch):
            prepared = [(sample, self._jobs(sample, read_media)) for sample in batch]
            jobs = [job for _, made in prepared if not isinstance(made, Failed) for job in made]
            ask_all(chat, jobs, self._params.tries)
            for sample, made in prepared:
                yield from self._finished(sample, made, maker)

    def _jobs(self, sample: Sample, read_media: ReadMedia) -> list[_Job] | Failed:
        params = self._params
        if not params.concern(sample) or not sample.media:
            return []
        try:
            images = pictures(sample, read_media)
        except BadRecord as error:
            return Failed(sample, error.reason, error.detail)
        jobs = []
        for tag in params.languages or (sample.language,):
            prompts = caption_prompts(tag)
            if not prompts:
                return Failed(sample, "no-prompt", f"no pool `captioning` in {tag}")
            number = draw(len(prompts), self._seed, "caption", tag, *(ref.sha256 for ref in sample.media))
            jobs.append(_Job(sample=sample, images=images, tag=tag, prompt=prompts[number], words=params.words))
        return jobs

    def _finished(self, sample: Sample, jobs: list[_Job] | Failed, maker: Maker) -> Iterator[Made | Failed]:
        if isinstance(jobs, Failed):
            yield jobs
            return
        if not jobs or self._params.keep:
            yield Made(sample)
        for job in jobs:
            if not job.done:
                yield Failed(sample, job.reason, f"{job.tag}: {job.detail}")
                continue
            turns = (Turn("", job.caption),)
            tags = ("caption:model", SYNTHETIC)
            new = rewritten(
                sample, maker, task=TASK, language=job.tag, instruction=job.prompt, turns=turns, add_tags=tags
            )
            yield Made(new)


def caption_prompts(tag: str) -> tuple[str, ...]:
    """Sentences that ask for a caption in a language; none where polysee has none."""
    pool = load_pool(tag)
    if pool is None:
        return ()
    return pool.pools.get(TASK) or pool.pools.get("caption") or ()


def _prompted() -> tuple[str, ...]:
    return tuple(pool.language for pool in all_pools() if caption_prompts(pool.language))
