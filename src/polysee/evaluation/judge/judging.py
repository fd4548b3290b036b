"""Asks a judge and averages what it says. None is dropped in silence: a verdict knows what was asked and what was read.

The averaging is that of FairEval (Wang et al., arXiv 2305.17926): several verdicts with their evidence first (MEC), for
both orders of the answers (BPC). Each order counts the same, also where fewer of its verdicts could be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from polysee.evaluation.answers import Asked
from polysee.evaluation.judge.config import JudgeConfig, Mode
from polysee.evaluation.judge.parse import parse_pair, parse_ranking, parse_score
from polysee.evaluation.judge.prompts import request
from polysee.evaluation.ranking import Ballot
from polysee.schema.errors import UserError
from polysee.services.base import Chat, ChatReply, ChatRequest, Failure

Winner = Literal["first", "second", "tie"]
Values = tuple[float, ...]
Pictures = Callable[[str], tuple[bytes, ...]]
"""Gives the encoded pictures of a question by its id."""
Progress = Callable[[int, int], None]
"""Called with the judgements made and those in all."""

_SHOWN = 300
"""Characters kept of a verdict that could not be read."""


@dataclass(frozen=True, slots=True)
class Draws:
    """What became of one judgement's questions: ``asked`` = ``read`` + ``unparsed`` + ``failed``.

    ``failures``: their reasons; ``unread``: how the replies start that could not be read. Tokens are what the service
    counted, 0 where it does not say.
    """

    asked: int
    read: int
    unparsed: int
    failed: int
    failures: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the answers of ``models`` to one question.

    ``values``: for each model its mean score (mode ``rank``: its mean place, 1 being the best); None where an order has
    no readable verdict at all, since half a comparison would favour a place. ``by_order``: the same for each order,
    given back in the order of the models. ``lean``: how much more the place shown first got than the last, in points
    (in places for a ranking); None where one answer was judged alone or an order is missing. ``alike``: the two
    answers are the same text, which is a tie that nobody needs to be asked about.
    """

    question: str
    language: str
    models: tuple[str, ...]
    mode: Mode
    values: Values | None
    by_order: tuple[Values | None, ...]
    lean: float | None
    draws: Draws
    alike: bool = False

    def winner(self, tie: float = 0.0) -> Winner | None:
        """Of two models; None where nothing could be read. Raises `ValueError` for another number of models."""
        if len(self.models) != 2:
            raise ValueError(f"a winner of {len(self.models)} models is a matter of a ranking")
        if self.alike:
            return "tie"
        return None if self.values is None else _winner(self.values, self.mode, tie)

    def ballots(self, tie: float = 0.0) -> tuple[Ballot, ...]:
        """One for each pair of models, for `polysee.evaluation.ranking`; none where nothing could be read."""
        if self.alike:
            return (Ballot(self.models, self.models, self.question),)
        if self.values is None:
            return ()
        out = []
        for one, other in combinations(range(len(self.models)), 2):
            pair = (self.models[one], self.models[other])
            winner = _winner((self.values[one], self.values[other]), self.mode, tie)
            best = pair if winner == "tie" else (pair[0],) if winner == "first" else (pair[1],)
            out.append(Ballot(pair, best, self.question))
        return tuple(out)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a judge was asked in all. Tokens are what the service counted, 0 where it does not say."""

    requests: int
    tokens_in: int
    tokens_out: int

    def cost(self, per_million_in: float, per_million_out: float) -> float:
        """In the currency of the two prices, each for a million tokens."""
        return (self.tokens_in * per_million_in + self.tokens_out * per_million_out) / 1e6


@dataclass(frozen=True, slots=True)
class Judged:
    """``judge`` and ``model``: who judged."""

    judge: str
    model: str
    config: JudgeConfig
    verdicts: tuple[Verdict, ...]
    spent: Spent


@dataclass(frozen=True, slots=True)
class _Case:
    """One judgement to make: which models, and the orders (permutations of them) in which to show their answers.

    No orders: there is nothing to ask.
    """

    asked: Asked
    models: tuple[str, ...]
    orders: tuple[tuple[int, ...], ...]


def judge(
    chat: Chat,
    questions: Iterable[Asked],
    config: JudgeConfig,
    *,
    pictures: Pictures | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Have ``chat`` judge all answers: every pair of models, each answer alone, or all of them ranked.

    An answer to a request is kept by the chat's own cache, by messages and draw, so a judgement that was interrupted
    goes on where it was. ``pictures``: for the preset ``picture``, where the questions do not hold them already. Two
    answers that are the same text are a tie without a question. Raises `UserError` for a question without the reference
    that is to be shown, and for a comparison of fewer than two models.
    """
    cases = [case for asked in questions for case in _cases(asked, config)]
    verdicts: list[Verdict] = []
    step = max(1, config.batch // (config.samples * max((len(case.orders) for case in cases), default=1) or 1))
    for start in range(0, len(cases), step):
        if progress is not None:
            progress(start, len(cases))
        part = cases[start : start + step]
        asked = [one for case in part for one in _requests(case, config, pictures)]
        replies = chat.ask(asked) if asked else []
        if len(replies) != len(asked):
            raise ValueError(f"{chat.name} gave {len(replies)} answers to {len(asked)} requests")
        at = 0
        for case in part:
            size = config.samples * len(case.orders)
            verdicts.append(_verdict(case, replies[at : at + size], config))
            at += size
    drawn = [verdict.draws for verdict in verdicts]
    spent = Spent(sum(d.asked for d in drawn), sum(d.tokens_in for d in drawn), sum(d.tokens_out for d in drawn))
    return Judged(chat.name, chat.model, config, tuple(verdicts), spent)


def _requests(case: _Case, config: JudgeConfig, pictures: Pictures | None) -> list[ChatRequest]:
    asked = case.asked
    if pictures is not None and config.preset == "picture" and case.orders:
        asked = replace(asked, images=pictures(asked.id))
    answers = [[asked.answer(case.models[index]) for index in order] for order in case.orders]
    return [request(asked, shown, config, draw) for shown in answers for draw in range(config.samples)]


def _cases(asked: Asked, config: JudgeConfig) -> list[_Case]:
    if config.preset == "reference" and not asked.reference:
        raise UserError(
            f"the question {asked.id!r} has no reference answer to show to the judge",
            "give it one, or judge with the preset `picture`",
        )
    models = tuple(model for model, _ in asked.answers)
    if config.mode == "score":
        return [_Case(asked, (model,), ((0,),)) for model in models]
    if len(models) < 2:
        raise UserError(f"the question {asked.id!r} has one answer, and a comparison needs two", "judge by `score`")
    groups = [models] if config.mode == "rank" else list(combinations(models, 2))
    return [_Case(asked, group, _orders(len(group), config) if _differ(asked, group) else ()) for group in groups]


def _differ(asked: Asked, models: tuple[str, ...]) -> bool:
    return len(models) > 2 or asked.answer(models[0]).strip() != asked.answer(models[1]).strip()


def _orders(count: int, config: JudgeConfig) -> tuple[tuple[int, ...], ...]:
    forward = tuple(range(count))
    return (forward, forward[::-1]) if config.both_orders else (forward,)


def _verdict(case: _Case, replies: Sequence[ChatReply | Failure], config: JudgeConfig) -> Verdict:
    by_order: list[Values | None] = []
    leans = []
    unread: list[str] = []
    for number, order in enumerate(case.orders):
        part = replies[number * config.samples : (number + 1) * config.samples]
        read = []
        for reply in part:
            if isinstance(reply, Failure):
                continue
            values = _read(reply, len(order), config)
            if values is None:
                unread.append(reply.text[:_SHOWN])
            else:
                read.append(values)
        means = [sum(column) / len(read) for column in zip(*read, strict=True)] if read else None
        if means is not None:
            leans.append(means[0] - means[-1])
        by_order.append(None if means is None else tuple(means[order.index(i)] for i in range(len(order))))
    failures = tuple(reply.reason for reply in replies if isinstance(reply, Failure))
    answered = [reply for reply in replies if isinstance(reply, ChatReply)]
    known = [values for values in by_order if values is not None]
    complete = len(known) == len(by_order) > 0
    return Verdict(
        question=case.asked.id,
        language=case.asked.language,
        models=case.models,
        mode=config.mode,
        values=tuple(sum(column) / len(known) for column in zip(*known, strict=True)) if complete else None,
        by_order=tuple(by_order),
        lean=sum(leans) / len(leans) if complete and len(by_order) > 1 else None,
        draws=Draws(
            asked=len(replies),
            read=len(answered) - len(unread),
            unparsed=len(unread),
            failed=len(failures),
            failures=failures,
            unread=tuple(unread),
            tokens_in=sum(reply.tokens_in for reply in answered),
            tokens_out=sum(reply.tokens_out for reply in answered),
        ),
        alike=not case.orders,
    )


def _read(reply: ChatReply, count: int, config: JudgeConfig) -> Values | None:
    if reply.finish == "length":
        return None  # cut short: its last number may have lost a digit, or be none of the verdict
    text = reply.text
    if config.mode == "pair":
        return parse_pair(text, config.limits)
    if config.mode == "score":
        value = parse_score(text, config.limits)
        return None if value is None else (value,)
    groups = parse_ranking(text, count)
    if groups is None:
        return None
    places = [0.0] * count
    above = 0
    for group in groups:
        for number in group:
            places[number - 1] = above + (len(group) + 1) / 2
        above += len(group)
    return tuple(places)


def _winner(values: Values, mode: Mode, tie: float) -> Winner:
    first, second = values if mode != "rank" else (-values[0], -values[1])
    if abs(first - second) <= tie + 1e-9:
        return "tie"
    return "first" if first > second else "second"
