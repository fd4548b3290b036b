"""One judgement: whose answers, by which chat, and where the result goes. What ``polysee judge`` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from polysee.evaluation.items import Scope
from polysee.evaluation.judge.config import JudgeSection
from polysee.evaluation.judge.findings import Findings, find, verdict_rows
from polysee.evaluation.judge.judging import Progress, judge
from polysee.evaluation.judge.people import People, read_people
from polysee.evaluation.judge.questions import Questions, read_questions
from polysee.schema.errors import UserError
from polysee.services.base import Chat
from polysee.services.config import ChatConfig
from polysee.services.ledger import Totals
from polysee.services.open import FOLDER, Services
from polysee.store.atomic import make_folder, sweep, write_json, write_text
from polysee.store.lock import RunLock


@dataclass(frozen=True)
class Judgement:
    """``folders``: of the models' answers, by name; ``data``: further runs or task files that hold the questions.

    ``section``: how to judge, and what; ``splits``: only these; ``human``: votes to compare with.
    """

    folders: Mapping[str, Path]
    out: Path
    section: JudgeSection
    service: ChatConfig
    splits: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    human: Path | None = None
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """``totals``: what the judge was asked and paid in ``out``, by this call and those before it."""

    findings: Findings
    path: Path
    totals: tuple[Totals, ...]


def run_judgement(judgement: Judgement, progress: Progress | None = None) -> Outcome:
    """Judge all answers and write ``judge.json`` and ``verdicts.jsonl`` to ``judgement.out``.

    Verdicts are kept as they come in ``out/.services``: the same call goes on where an interrupted one stopped, and
    asks nothing that was answered. Raises `UserError` for answers that cannot be judged as asked, and for a service
    that is missing, refuses, or has spent its budget.
    """
    folder = make_folder(judgement.out)
    lock = RunLock(folder / ".lock")
    try:
        sweep(folder)
        return _run(judgement, folder, progress)
    finally:
        lock.release()


def _run(judgement: Judgement, folder: Path, progress: Progress | None) -> Outcome:
    services = Services((judgement.service,), folder / FOLDER)
    try:
        found, questions = judge_answers(judgement, services.chat(judgement.service.name), progress)
        totals = tuple(services.totals())
    finally:
        services.close()
    return Outcome(found, write_results(folder, found, verdict_rows(found.judged, questions)), totals)


def judge_answers(judgement: Judgement, chat: Chat, progress: Progress | None = None) -> tuple[Findings, Questions]:
    """Read the answers, have ``chat`` judge them, and say what that comes to. Raises as `run_judgement` does."""
    section = judgement.section
    try:
        config = section.config(len(judgement.folders))
    except ValueError as error:
        raise UserError(str(error), "judge by `score`, or name two folders or more") from None
    if judgement.human is not None and config.mode != "pair":
        raise UserError(
            f"people chose between answers, and the mode {config.mode!r} does not compare two",
            "judge by `pair`, or leave out --human",
        )
    people = None if judgement.human is None else read_people(judgement.human, [*judgement.folders])
    questions = read_questions(
        judgement.folders,
        Scope(tasks=section.tasks, splits=judgement.splits, languages=section.languages),
        data=judgement.data,
        pack=judgement.out / "media.pack",
        limit=section.limit,
    )
    if people is not None:
        _check_votes(people, questions, judgement.human)
    _check_material(questions, section)
    judged = judge(chat, questions.asked, config, pictures=questions.pictures, progress=progress)
    found = find(
        judged,
        questions,
        prices=(judgement.service.price_in, judgement.service.price_out),
        people=people,
        resamples=judgement.resamples,
        seed=judgement.seed,
    )
    return found, questions


def write_results(folder: Path, found: Findings, verdicts: Sequence[Mapping[str, JsonValue]]) -> Path:
    """Write ``verdicts.jsonl``, then ``judge.json``, whose path is given back."""
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in verdicts]
    write_text(folder / "verdicts.jsonl", "".join(lines))
    write_json(folder / "judge.json", found.to_json())
    return folder / "judge.json"


def _check_votes(people: People, questions: Questions, path: Path | None) -> None:
    """Before the first question is paid for: votes about other questions would leave the comparison empty."""
    asked = {one.id for one in questions.asked}
    voted = sorted({question for question, _, _ in people.votes})
    if not asked & set(voted):
        such = f", such as {voted[0]!r}" if voted else ""
        raise UserError(
            f"none of the {len(asked):,} questions to judge is among the {len(voted):,} that people voted on{such}",
            "take the votes of a survey of these runs, or judge the tasks and languages that it asked about",
            place=str(path),
        )


def _check_material(questions: Questions, section: JudgeSection) -> None:
    """Before the first question is paid for."""
    if section.preset == "picture":
        without = [one.id for one in questions.asked if not questions.has_pictures(one.id)]
        if without:
            raise UserError(
                f"{len(without):,} questions have no picture to show to the judge, such as {without[0]!r}",
                "judge with the preset `reference`, or only --task whose questions have pictures",
            )
    else:
        bare = [one.id for one in questions.asked if not one.reference]
        if bare:
            raise UserError(
                f"{len(bare):,} questions have no reference answer to show to the judge, such as {bare[0]!r}",
                "judge with the preset `picture`",
            )
