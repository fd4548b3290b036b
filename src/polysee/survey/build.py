"""Makes a survey's folder from what models have answered: questions chosen, pictures cleaned, equal answers noticed."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from polysee.evaluation import answers
from polysee.media.decode import decode_at_least
from polysee.schema.errors import BadRecord, UserError
from polysee.store.atomic import make_folder, write_bytes
from polysee.survey.questionnaire import (
    FILE,
    MOST_MODELS,
    PICTURES,
    Question,
    Questionnaire,
    cards_of,
    read_questionnaire,
    write_questionnaire,
)

SIDE = 1024
"""Longest side of a picture as shown, in pixels."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which questions are asked: of these languages and domains (all if empty), at most ``count`` of them.

    Languages and domains take turns until ``count`` is reached; ``seed`` decides which questions of each.
    """

    count: int | None = 10
    languages: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """``alike``: questions left out because all models said the same; ``partial``: because not all had answered."""

    survey: Questionnaire
    alike: int
    partial: int


def build(
    folder: Path, sources: Mapping[str, Path], settings: Mapping[str, object], choice: Choice | None = None
) -> Built:
    """Make the survey ``folder`` from the answers of ``sources`` (model name -> run folder or JSONL file).

    ``settings``: further fields of `Questionnaire`. Raises `UserError` for answers that cannot be read, for fewer than
    two or more than six models, for nothing that is left to ask, and for a folder that holds another survey.
    """
    if not 2 <= len(sources) <= MOST_MODELS:
        raise UserError(f"{len(sources)} models", f"give from 2 to {MOST_MODELS} as --model NAME=PATH")
    choice = choice or Choice()
    gathered = answers.gather(sources)
    fitting = [
        one
        for one in gathered.asked
        if (not choice.languages or one.language in choice.languages)
        and (not choice.domains or one.domain in choice.domains)
    ]
    telling = [one for one in fitting if len(cards_of(_question(one, ()))) > 1]
    chosen = answers.with_images(_choose(telling, choice), sources)
    if not chosen:
        cause = f"nothing to ask: of {len(fitting)} questions the models answer all alike"
        raise UserError(cause, "choose other languages, domains or models")
    pictures = {one.id: tuple(_picture(data, one.id) for data in one.images) for one in chosen}
    questions = tuple(_question(one, tuple(_name(data) for data in pictures[one.id])) for one in chosen)
    survey = _questionnaire({**settings, "models": gathered.models, "questions": questions, "seed": choice.seed})
    if survey.show_reference and any(not question.reference for question in questions):
        missing = next(question.id for question in questions if not question.reference)
        raise UserError(f"the question {missing!r} has no reference answer", "give it one, or use --no-reference")
    _refuse_another(folder, survey)
    make_folder(folder / PICTURES)
    for data in {picture for group in pictures.values() for picture in group}:
        write_bytes(folder / PICTURES / _name(data), data)
    write_questionnaire(folder, survey)
    return Built(survey, len(fitting) - len(telling), gathered.left_out)


def _questionnaire(values: Mapping[str, object]) -> Questionnaire:
    try:
        return Questionnaire.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        cause = f"{where}: {first['msg']}" if where else str(first["msg"]).removeprefix("Value error, ")
        raise UserError(cause[:1].lower() + cause[1:], "see `polysee survey build --help`") from error


def _refuse_another(folder: Path, survey: Questionnaire) -> None:
    if (folder / FILE).exists() and read_questionnaire(folder).fingerprint() != survey.fingerprint():
        raise UserError(
            "this folder holds a survey with other questions",
            "choose another folder: votes belong to the questions they were asked",
            place=str(folder),
        )


def _question(asked: answers.Asked, pictures: tuple[str, ...]) -> Question:
    return Question(
        id=asked.id,
        language=asked.language,
        domain=asked.domain,
        question=asked.question,
        reference=asked.reference,
        options=asked.options,
        pictures=pictures,
        answers=tuple(text for _, text in asked.answers),
    )


def _choose(asked: Sequence[answers.Asked], choice: Choice) -> list[answers.Asked]:
    rng = random.Random(choice.seed)
    mixed = list(asked)
    rng.shuffle(mixed)
    cells: dict[tuple[str, str], list[answers.Asked]] = {}
    for one in mixed:
        cells.setdefault((one.language, one.domain), []).append(one)
    turns = [(turn, rng.random(), one) for cell in sorted(cells) for turn, one in enumerate(cells[cell])]
    taken = sorted(turns, key=lambda item: item[:2])[: choice.count]
    return sorted((one for _, _, one in taken), key=lambda one: (one.language, one.domain, one.id))


def _picture(data: bytes, question: str) -> bytes:
    """The pixels alone, as WebP: where and with what a picture was taken is nobody's business here."""
    try:
        image = decode_at_least(data, SIDE, SIDE)
    except BadRecord as error:
        raise UserError(f"the picture of question {question!r} cannot be shown: {error}", "leave it out") from error
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=85, method=4)
    return buffer.getvalue()


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32] + ".webp"
