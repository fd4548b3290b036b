"""What several models answered to the same questions: from run folders, or from JSON lines that anyone can write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, ValidationError

from polysee.evaluation.predictions import read_predictions
from polysee.media.decode import MAX_IMAGE_BYTES
from polysee.schema.arrow import from_table
from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.run import RunStore
from polysee.text.languages import is_known
from polysee.text.normalise import nfc

DOMAIN = "domain:"
"""Prefix of the tag that names a sample's domain; a sample without one counts by its task."""


class AnswerLine(Config):
    """One line of a JSONL file of answers. What a run or another file says of the question need not be said again.

    ``id``: of the question, equal in all files (a sample's id where a run's samples are asked). ``image``: a path
    beside the file. ``domain``: what results are broken down by.
    """

    id: str = Field(min_length=1, max_length=200)
    answer: str
    question: str | None = None
    language: str | None = None
    reference: str | None = None
    options: tuple[str, ...] = ()
    image: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answers. ``answers``: (model, text) in the order of the models; ``images``: encoded bytes.

    ``language``: BCP-47. ``reference``: "" where none is known.
    """

    id: str
    language: str
    domain: str
    question: str
    reference: str
    answers: tuple[tuple[str, str], ...]
    options: tuple[str, ...] = ()
    images: tuple[bytes, ...] = ()

    def answer(self, model: str) -> str:
        """Raises `KeyError` for a model that was not asked."""
        return dict(self.answers)[model]


@dataclass(frozen=True, slots=True)
class Gathered:
    """``asked``: questions that all models answered, by id; ``left_out``: how many only some of them did."""

    models: tuple[str, ...]
    asked: tuple[Asked, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Source:
    """One model's answers by question, and the questions that came with them (images still paths or hashes)."""

    answers: dict[str, str]
    questions: dict[str, Asked]
    images: dict[str, tuple[str, ...]]
    run: RunStore | None
    place: Path


def gather(sources: Mapping[str, Path]) -> Gathered:
    """The answers of each model of ``sources`` (name -> run folder or JSONL file), question by question.

    A run gives its own answers (no baselines) to its samples; a JSONL file holds `AnswerLine`s. Pictures are left for
    `with_images`. Raises `UserError` for a source that cannot be read, a question of which no source says what it is,
    and models that have no question in common.
    """
    found = {name: _read(path) for name, path in sources.items()}
    ids = set.intersection(*(set(source.answers) for source in found.values()))
    every = set.union(*(set(source.answers) for source in found.values()))
    if not ids:
        raise UserError(
            "the models have answered no question in common",
            "give every model's answers the same ids (a run's are the ids of its samples)",
        )
    asked = tuple(_join(one, found) for one in sorted(ids))
    return Gathered(tuple(found), asked, len(every) - len(ids))


def with_images(asked: Sequence[Asked], sources: Mapping[str, Path]) -> tuple[Asked, ...]:
    """The same questions with their pictures. Raises `UserError` for one that is missing."""
    found = [_read(path) for path in sources.values()]
    return tuple(replace(one, images=_images(one.id, found)) for one in asked)


def _join(key: str, found: Mapping[str, _Source]) -> Asked:
    known = next((source.questions[key] for source in found.values() if key in source.questions), None)
    if known is None:
        raise UserError(
            f"no source says what the question {key!r} is",
            'add "question" and "language" to one of the files, or name a run that holds the sample',
        )
    return replace(known, answers=tuple((name, source.answers[key]) for name, source in found.items()))


def _images(key: str, found: Iterable[_Source]) -> tuple[bytes, ...]:
    for source in found:
        names = source.images.get(key)
        if not names:
            continue
        if source.run is not None:
            return tuple(source.run.media(names)[name] for name in names)
        return tuple(_file(source.place, name) for name in names)
    return ()


def _file(place: Path, name: str) -> bytes:
    path = place.parent / name
    try:
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise UserError(
                f"the picture {name} is larger than {MAX_IMAGE_BYTES:,} bytes", "shrink it", place=str(path)
            )
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the picture {name}: {(error.strerror or 'unknown').lower()}",
            "paths of pictures are relative to the file of answers",
            place=str(place),
        ) from error


def _read(path: Path) -> _Source:
    return _read_run(path) if path.is_dir() else _read_lines(path)


def _read_run(path: Path) -> _Source:
    run = RunStore.open_read_only(path)
    table = read_predictions(path / "predictions.lance")
    columns = [name for name in ("sample", "answer", "baseline", "variant") if name in table.schema.names]
    own = [row for row in table.select(columns).to_pylist() if row["baseline"] is None and not row.get("variant")]
    answers = {row["sample"]: nfc(row["answer"]) for row in own}
    if not answers:
        raise UserError("this run has answered nothing yet", "evaluate it first with `polysee run`", place=str(path))
    samples = [sample for sample in from_table(run.samples()) if sample.id in answers]
    questions = {sample.id: _of_sample(sample) for sample in samples}
    images = {sample.id: tuple(ref.sha256 for ref in sample.media if ref.kind == "image") for sample in samples}
    return _Source(answers, questions, images, run, path)


def _of_sample(sample: Sample) -> Asked:
    turn = sample.turns[0]
    text = "\n".join(part for part in (sample.instruction, turn.input) if part).replace(IMAGE_MARK, "").strip()
    domain = next((tag.removeprefix(DOMAIN) for tag in sample.tags if tag.startswith(DOMAIN)), sample.task)
    return Asked(sample.id, sample.language, domain, nfc(text), nfc(turn.output), (), sample.options)


def _read_lines(path: Path) -> _Source:
    answers: dict[str, str] = {}
    questions: dict[str, Asked] = {}
    images: dict[str, tuple[str, ...]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise UserError(
            f"cannot read answers ({reason.lower()})", "name a run folder or a JSONL file", place=str(path)
        ) from error
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        line = _line(text, f"{path}:{number}")
        if line.id in answers:
            raise UserError(f"the id {line.id!r} comes twice", "give each question one line", place=f"{path}:{number}")
        answers[line.id] = nfc(line.answer)
        if line.question is not None:
            questions[line.id] = _of_line(line, f"{path}:{number}")
        if line.image is not None:
            images[line.id] = (line.image,)
    if not answers:
        raise UserError("this file holds no answers", "write one JSON object a line", place=str(path))
    return _Source(answers, questions, images, None, path)


def _line(text: str, place: str) -> AnswerLine:
    try:
        return AnswerLine.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise UserError(
            f"this line is no JSON ({error.msg.lower()})", "write one object a line", place=place
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise UserError(
            f"{where}: {first['msg'].lower()}", f"a line has the keys {', '.join(AnswerLine.model_fields)}", place=place
        ) from error


def _of_line(line: AnswerLine, place: str) -> Asked:
    if line.language is None or not is_known(line.language):
        raise UserError(
            f"the language is {line.language!r}",
            'give each question a BCP-47 tag, such as "language": "ar"',
            place=place,
        )
    return Asked(
        id=line.id,
        language=line.language,
        domain=line.domain or "all",
        question=nfc(line.question or ""),
        reference=nfc(line.reference or ""),
        answers=(),
        options=tuple(nfc(option) for option in line.options),
    )
