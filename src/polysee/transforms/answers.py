"""Answers by a vision chat model in many forms, read back into turns (VisionBlocks' families of answer formats)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import ClassVar, Literal

import regex
from pydantic import Field
from ruamel.yaml import YAML

from polysee.schema.config import Config
from polysee.schema.errors import BadRecord
from polysee.schema.sample import IMAGE_MARK, Sample, Turn
from polysee.services.base import ChatMessage, ChatReply, ChatRequest
from polysee.services.config import Role
from polysee.services.open import Services
from polysee.store.fingerprint import hash_file
from polysee.text.normalise import nfc, squeeze
from polysee.text.segment import is_legible
from polysee.transforms.asking import (
    AskingParams,
    Job,
    ask_all,
    batched,
    chat_of,
    pictures,
    question_of,
    request,
    spoken,
)
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.caption import caption_prompts
from polysee.transforms.checks import holds, in_language, is_refusal
from polysee.transforms.forecast import Counts, Forecast, SampleKind, add
from polysee.transforms.lineage import parameters_hash
from polysee.transforms.rewriting import SYNTHETIC, Maker, draw, identity, rewritten

Family = Literal["direct", "free", "caption", "final", "marked"]
FAMILIES: tuple[Family, ...] = ("direct", "free", "caption", "final", "marked")

_ROLE = (
    "You answer questions about pictures by what they show. Write in {language}. {ask} Copy given marks and labels "
    "letter by letter; do not translate them."
)
_EMPHASIS = regex.compile(r"\*\*|__")


_TOKENS = (1150, 80)
"""Of a request with one picture and of its reply, about: ours, for a picture of a thousand tokens."""


class Format(Config):
    """A form of answer. ``ask``: what the model is told; ``seen`` and ``answer``: marks that begin the two parts;
    ``end``: what is cut off after them."""

    name: str
    family: Family
    ask: str
    seen: str = ""
    answer: str = ""
    end: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """``seen``: what the model says of the picture, "" where the form has no such part."""

    answer: str
    seen: str = ""


class AnswersParams(AskingParams):
    """Parameters of the transform."""

    families: tuple[Family, ...] = Field(default=FAMILIES, min_length=1)
    """Families of forms to draw from, each as often as the others."""
    make: Literal["turns", "text"] = "turns"
    """The parts as turns of a dialogue (a caption, then the answer), or the model's text as it is, with the form asked
    for in the question."""
    reference: Literal["hold", "ignore"] = "hold"
    """Refuse an answer that does not hold the sample's own, or take any."""
    keep: bool = False
    """Keep the sample beside its new form."""


@dataclass(slots=True, kw_only=True)
class _Job(Job):
    """An answer in one form. ``hold``: it must hold the sample's own."""

    form: Format
    hold: bool
    raw: str = ""
    parsed: Parsed = Parsed("")

    def request(self, attempt: int) -> ChatRequest:
        role = _ROLE.format(language=spoken(self.sample.language), ask=self.form.ask)
        messages = (ChatMessage("system", role), ChatMessage("user", question_of(self.sample), self.images))
        return request(messages, attempt, 768)

    def fault(self, reply: ChatReply) -> str | None:
        self.raw = nfc(reply.text).strip()
        self.detail = squeeze(self.raw)[:200]
        parsed = None if reply.finish == "length" else parse(self.raw, self.form)
        if parsed is None:
            return "answer-unparsed"
        if not is_legible(parsed.answer):
            return "answer-illegible"
        self.parsed, tag = parsed, self.sample.language
        if is_refusal(self.raw, tag) or is_refusal(parsed.answer, tag):
            return "answer-refusal"
        if not in_language(f"{parsed.seen} {parsed.answer}", tag):
            return "answer-other-language"
        lost = self.hold and not holds(parsed.answer, self.sample.turns[0].output, tag)
        return "answer-differs" if lost else None


class Answers:
    """The answer of each sample with one question, in a form that the sample and the seed choose.

    Tags ``format:<name>`` and ``format_family:<family>`` say which. Multiple choice, dialogues of several turns, and
    samples without media or without a question pass unchanged.
    """

    Params: ClassVar[type[AnswersParams]] = AnswersParams
    version: ClassVar[int] = 2
    service_kinds: ClassVar[dict[str, Role]] = {"service": "chat"}
    expansion: ClassVar[int] = 2

    def __init__(self, params: AnswersParams, *, seed: int = 0, services: Services | None = None) -> None:
        self._params = params
        self._seed = seed
        self._services = services
        self._maker = Maker("answers", parameters_hash(params, self.version, seed))

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the forms and of the words by which models decline."""
        wording = files("polysee.transforms") / "wording"
        return [hash_file(str(wording / name)) for name in ("formats.yaml", "refusals.yaml")]

    @staticmethod
    def forecast(params: AnswersParams, counts: Counts) -> Forecast:
        """A request for each sample that it concerns, as if each had one question and every first try were right."""
        made: dict[SampleKind, int] = {}
        asked = 0
        for kind, number in counts.items():
            wanted = params.may_concern(kind)
            asked += number if wanted else 0
            add(made, kind, 2 * number if wanted and params.keep else number)
        return Forecast(made, asked, _TOKENS)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """The sample, if it is kept, and a `Made` or `Failed`; reasons: ``service-…``, ``answer-…`` and those of
        `polysee.media`."""
        chat = chat_of(self._services, self._params.service)
        maker = self._maker.by(chat)
        for batch in batched(samples, self._params.batch):
            jobs = [self._job(sample, read_media) for sample in batch]
            ask_all(chat, [job for job in jobs if isinstance(job, _Job)], self._params.tries)
            for made in jobs:
                yield from self._finished(made, maker) if isinstance(made, _Job) else (made,)

    def _job(self, sample: Sample, read_media: ReadMedia) -> _Job | Made | Failed:
        params = self._params
        fits = question_of(sample) and sample.media and not sample.options and len(sample.turns) == 1
        if not fits or not params.concern(sample):
            return Made(sample)
        family = params.families[draw(len(params.families), self._seed, "family", identity(sample))]
        forms = [form for form in formats() if form.family == family]
        form = forms[draw(len(forms), self._seed, "format", identity(sample))]
        try:
            images = pictures(sample, read_media)
        except BadRecord as error:
            return Failed(sample, error.reason, error.detail)
        return _Job(sample=sample, images=images, form=form, hold=params.reference == "hold")

    def _finished(self, job: _Job, maker: Maker) -> Iterator[Made | Failed]:
        sample = job.sample
        if self._params.keep:
            yield Made(sample)
        if not job.done:
            yield Failed(sample, job.reason, job.detail)
            return
        tags = (f"format:{job.form.name}", f"format_family:{job.form.family}", SYNTHETIC)
        if self._params.make == "text":
            instruction = "\n".join(part for part in (sample.instruction, job.form.ask) if part)
            turns: tuple[Turn, ...] = (Turn(sample.turns[0].input, job.raw),)
        else:
            instruction, turns = self._turns(sample, job.parsed, job.form)
        yield Made(rewritten(sample, maker, instruction=instruction, turns=turns, add_tags=tags))

    def _turns(self, sample: Sample, parsed: Parsed, form: Format) -> tuple[str, tuple[Turn, ...]]:
        """Instruction and turns: question and answer, after a caption and its prompt where the form has one; what leads
        up to a final answer stays before it."""
        prompts = caption_prompts(sample.language)
        if not form.seen or not prompts:
            answer = "\n".join(part for part in ("" if form.seen else parsed.seen, parsed.answer) if part)
            return sample.instruction, (Turn(sample.turns[0].input, answer),)
        prompt = prompts[draw(len(prompts), self._seed, "seen", identity(sample))]
        # The pictures belong before the first turn, wherever the question had them.
        marks = IMAGE_MARK * (sample.instruction + sample.turns[0].input).count(IMAGE_MARK)
        first = f"{marks}\n{prompt}" if marks else prompt
        parts = (part.replace(IMAGE_MARK, "").strip() for part in (sample.instruction, sample.turns[0].input))
        question = "\n".join(part for part in parts if part)
        return "", (Turn(first, parsed.seen), Turn(question, parsed.answer))


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """The forms, in the order of their file."""
    text = (files("polysee.transforms") / "wording" / "formats.yaml").read_text(encoding="utf-8")
    return tuple(Format.model_validate(one) for one in YAML(typ="safe", pure=True).load(text)["formats"])


def parse(text: str, form: Format) -> Parsed | None:
    """The parts of a reply in a form, each on one line; None where a mark is missing or a part empty.

    Marks are found in any case, with or without bold type, and with a full-width colon; of several marks before the
    answer the last counts.
    """
    if not form.answer:
        answer = squeeze(text)
        return Parsed(answer) if answer else None
    plain = _EMPHASIS.sub("", text)
    found = list(_mark(form.answer).finditer(plain))
    if not found:
        return None
    before, answer = plain[: found[-1].start()], plain[found[-1].end() :]
    if form.seen:
        start = _mark(form.seen).search(before)
        if start is None:
            return None
        before = before[start.end() :]
    parsed = Parsed(_cut(answer, form), _cut(before, form))
    return parsed if parsed.answer and (parsed.seen or not form.seen) else None


@lru_cache(maxsize=64)
def _mark(mark: str) -> regex.Pattern[str]:
    pattern = regex.escape(mark, literal_spaces=True).replace(":", "[:：]")
    return regex.compile(pattern, regex.IGNORECASE)


def _cut(part: str, form: Format) -> str:
    text = squeeze(part)
    for end in form.end:
        text = text.removesuffix(end).strip()
    return text
