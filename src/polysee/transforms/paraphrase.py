"""Writes short answers out as full sentences by a chat model (M3IT, section 3.2), or by a template where it fails."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from ruamel.yaml import YAML

from polysee.media import ocr
from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Sample, Turn
from polysee.services.base import Chat, ChatMessage, ChatReply, ChatRequest, Failure
from polysee.services.config import Role
from polysee.services.open import Services
from polysee.sources.rows import unreadable
from polysee.store.fingerprint import hash_file
from polysee.text.languages import base_language, language
from polysee.text.normalise import nfc, squeeze
from polysee.transforms.asking import AskingParams, batched, chat_of, pictures, question_of, request, spoken
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.checks import Asked, flaw, word_count
from polysee.transforms.forecast import Counts, Forecast
from polysee.transforms.lineage import parameters_hash
from polysee.transforms.rewriting import Maker, rewritten

_TASK = (
    "You turn short answers to questions about pictures into one complete, natural sentence. Write in {language}. Keep "
    "the meaning of the short answer and use its words, names and numbers. Say nothing that neither the question, the "
    "answer nor the notes say, do not mention the notes, and do not speak of yourself. Reply with the sentence alone."
)
_EXAMPLE = (
    "Question: What is the capital of this country?\nShort answer: Nairobi",
    "The capital of the country in the picture is Nairobi.",
)
_OCR_WORDS = 60
_TOKENS = (190, 25)
"""Of a request without notes and of its reply, about: ours, counted on English questions of VQA v2's length."""
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("'", "'"), ("„", "“"))


class ParaphraseParams(AskingParams):
    """Parameters of the transform. When the model is given up, the template is used."""

    longest: float = Field(default=6, gt=0)
    """An answer of more words is no short one (three characters count as a word where words are not spaced)."""
    ratio: float = Field(default=4.0, ge=1.0)
    """A sentence may have so many times the words of question and answer, and twelve more."""
    captions: str | None = None
    """A file of JSON lines with `sha256` (of a picture's bytes) and `caption`, as notes for the model."""
    ocr: bool = False
    """Give the model the text that Tesseract reads in the picture."""
    see: bool = False
    """Show the model the picture itself."""
    batch: int = Field(default=64, ge=1, le=4096)
    """Samples asked about at once."""


@dataclass(slots=True)
class _Job:
    """A sample under way: its turns to rewrite, what was found for each, and what was wrong with the last try."""

    sample: Sample
    turns: dict[int, Asked]
    notes: str
    images: tuple[bytes, ...]
    done: dict[int, str] = field(default_factory=dict)
    flaws: dict[int, str] = field(default_factory=dict)
    failure: Failure | None = None


class Paraphrase:
    """Short answers become sentences; a sentence with a flaw is asked for again, and then made by a template.

    The tag ``paraphrase:model`` or ``paraphrase:template`` (or ``paraphrase:kept`` in a language without a template)
    says which way was taken, ``paraphrase_flaw:…`` why the model's way was not. Multiple choice, answers that are long
    already and turns without a question pass unchanged.
    """

    Params: ClassVar[type[ParaphraseParams]] = ParaphraseParams
    version: ClassVar[int] = 1
    service_kinds: ClassVar[dict[str, Role]] = {"service": "chat"}
    expansion: ClassVar[int] = 1

    def __init__(self, params: ParaphraseParams, *, seed: int = 0, services: Services | None = None) -> None:
        self._params = params
        self._services = services
        self._maker = Maker("paraphrase", parameters_hash(params, self.version, seed))
        self._captions = _read_captions(Path(params.captions).expanduser()) if params.captions is not None else {}

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of what decides the result beside parameters and service: captions, templates, Tesseract."""
        wording = files("polysee.transforms") / "wording"
        found = [hash_file(str(wording / name)) for name in ("refusals.yaml", "sentences.yaml")]
        if self._params.captions is not None:
            found.append(hash_file(Path(self._params.captions).expanduser()))
        return [*found, ocr.program_version()] if self._params.ocr else found

    @staticmethod
    def forecast(params: ParaphraseParams, counts: Counts) -> Forecast:
        """A request for each sample that it concerns, as if every answer were short and every first try right."""
        asked = sum(n for kind, n in counts.items() if params.may_concern(kind))
        return Forecast(counts, asked, _TOKENS)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """One `Made` or `Failed` for each sample; reasons: ``service-…`` and those of `polysee.media`.

        Raises `UserError` where Tesseract or its model of a language is wanted and missing.
        """
        chat = chat_of(self._services, self._params.service)
        for batch in batched(samples, self._params.batch):
            jobs: list[_Job | Made | Failed] = [self._job(sample, read_media) for sample in batch]
            open_jobs = [job for job in jobs if isinstance(job, _Job)]
            for attempt in range(self._params.tries):
                self._ask(chat, open_jobs, attempt)
            for job in jobs:
                yield self._finished(job, chat) if isinstance(job, _Job) else job

    def _job(self, sample: Sample, read_media: ReadMedia) -> _Job | Made | Failed:
        params = self._params
        turns = self._short_turns(sample) if params.concern(sample) and not sample.options else {}
        if not turns:
            return Made(sample)
        try:
            notes = "\n".join(self._notes(sample, read_media))
            return _Job(sample, turns, notes, pictures(sample, read_media) if params.see else ())
        except BadRecord as error:
            return Failed(sample, error.reason, error.detail)

    def _short_turns(self, sample: Sample) -> dict[int, Asked]:
        found = {}
        for number, turn in enumerate(sample.turns):
            question = question_of(sample, number)
            short = 0 < word_count(turn.output, sample.language) <= self._params.longest
            if question and short:
                found[number] = Asked(question, squeeze(turn.output), sample.language)
        return found

    def _notes(self, sample: Sample, read_media: ReadMedia) -> Iterator[str]:
        for ref in sample.media:
            if ref.sha256 in self._captions:
                yield f"What the picture shows: {self._captions[ref.sha256]}"
            if self._params.ocr and ref.kind != "video":
                words = [token.text for token in ocr.read_tokens(read_media(ref.sha256), sample.language)]
                if words:
                    yield f"Text in the picture: {' | '.join(words[:_OCR_WORDS])}"

    def _ask(self, chat: Chat, jobs: Iterable[_Job], attempt: int) -> None:
        """One try for every turn that has no sentence yet."""
        working = [job for job in jobs if job.failure is None]
        places = [(job, number) for job in working for number in job.turns if number not in job.done]
        requests = [_request(job, number, attempt) for job, number in places]
        for (job, number), reply in zip(places, chat.ask(requests) if requests else [], strict=True):
            if isinstance(reply, Failure):
                job.failure = reply
                continue
            text = _unwrapped(reply)
            wrong = "cut-off" if reply.finish == "length" else flaw(text, job.turns[number], ratio=self._params.ratio)
            if wrong is None:
                job.done[number] = text
            else:
                job.flaws[number] = wrong

    def _finished(self, job: _Job, chat: Chat) -> Made | Failed:
        sample = job.sample
        if job.failure is not None:
            return Failed(sample, f"service-{job.failure.reason}", job.failure.detail)
        template = sentence_template(sample.language)
        turns = list(sample.turns)
        tags = set()
        for number, asked in job.turns.items():
            way, text = "model", job.done.get(number)
            if text is None:
                way = "template" if template is not None else "kept"
                text = template.format(answer=asked.answer) if template is not None else turns[number].output
                tags.add(f"paraphrase_flaw:{job.flaws[number]}")
            tags.add(f"paraphrase:{way}")
            turns[number] = Turn(turns[number].input, text)
        maker = self._maker.by(chat) if job.done else self._maker
        return Made(rewritten(sample, maker, turns=tuple(turns), add_tags=tags))


def sentence_template(tag: str) -> str | None:
    """A sentence with a place ``{answer}`` in the language of a tag, or None where polysee has none."""
    known = _templates()
    return known.get(tag) or (None if "-" in tag and _other_script(tag) else known.get(base_language(tag)))


def _request(job: _Job, number: int, attempt: int) -> ChatRequest:
    asked = job.turns[number]
    user = f"Question: {asked.question}\nShort answer: {asked.answer}"
    messages = (
        ChatMessage("system", _TASK.format(language=spoken(asked.language))),
        ChatMessage("user", _EXAMPLE[0]),
        ChatMessage("assistant", _EXAMPLE[1]),
        ChatMessage("user", f"{user}\n{job.notes}" if job.notes else user, job.images),
    )
    return request(messages, attempt, 256)


def _unwrapped(reply: ChatReply) -> str:
    """One line, without the quotation marks that models put around what they were asked for."""
    text = squeeze(nfc(reply.text))
    inside = next((text[1:-1] for pair in _QUOTES if len(text) > 2 and (text[0], text[-1]) == pair), None)
    return text if inside is None or any(mark in inside for mark in '"“”«»「」') else inside.strip()


@lru_cache(maxsize=1)
def _templates() -> dict[str, str]:
    text = (files("polysee.transforms") / "wording" / "sentences.yaml").read_text(encoding="utf-8")
    return {tag: nfc(sentence) for tag, sentence in YAML(typ="safe", pure=True).load(text)["sentences"].items()}


def _other_script(tag: str) -> bool:
    return language(tag).script != language(base_language(tag)).script


def _read_captions(path: Path) -> dict[str, str]:
    fix = 'write a JSON object a line: {"sha256": "…", "caption": "…"}'
    found = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError as error:
        raise UserError(f"no captions: {error}", "set `captions` to a readable UTF-8 file", place=str(path)) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found[str(row["sha256"])] = squeeze(nfc(str(row["caption"])))
        except (ValueError, KeyError, TypeError):
            raise UserError("this line is no caption", fix, place=f"{path}:{number}") from None
    return found
