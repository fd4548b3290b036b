"""Asks a judge and averages what it says. None is dropped in silence: a verdict knows what was asked and what was read.

The averaging is that of FairEval (Wang et al., arXiv 2305.17926): several verdicts with their evidence first (MEC), for
both orders of the answers (BPC). Each order counts the same, also where fewer of its verdicts could be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from polysee.evaluation.answers import Asked
from polysee.evaluation.judge.config import JudgeConfig, Mode
from polysee.evaluation.judge.parse import parse_pair, parse_ranking, parse_score
from polysee.evaluation.judge.prompts import request
from polysee.evaluation.ranking import Ballot
from polysee.schema.errors import UserError
from polysee.services.base import Chat, ChatReply, Failure

Winner = Literal["first", "second", "tie"]
Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Draws:
    """What became of one judgement's questions: ``asked`` = ``read`` + ``unparsed`` + ``failed``."""

    asked: int
    read: int
    unparsed: int
    failed: int
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """On the answers of ``models`` to one question.

    ``values``: for each model its mean score (mode ``rank``: its mean place, 1 being the best); None where an order has
    no readable verdict at all, since half a comparison would favour a place. ``by_order``: the same for each order,
    given back in the order of the models. ``lean``: how much more the place shown first got than the last, in points
    (in places for a ranking); None where one answer was judged alone or an order is missing.
    """

    question: str
    language: str
    models: tuple[str, ...]
    mode: Mode
    values: Values | None
    by_order: tuple[Values | None, ...]
    lean: float | None
    draws: Draws

    def winner(self, tie: float = 0.0) -> Winner | None:
        """Of two models; None where nothing could be read. Raises `ValueError` for another number of models."""
        if len(self.models) != 2:
            raise ValueError(f"a winner of {len(self.models)} models is a matter of a ranking")
        return None if self.values is None else _winner(self.values, self.mode, tie)

    def ballots(self, tie: float = 0.0) -> tuple[Ballot, ...]:
        """One for each pair of models, for `polysee.evaluation.ranking`; none where nothing could be read."""
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
    """One judgement to make: which models, and the orders (permutations of them) in which to show their answers."""

    asked: Asked
    models: tuple[str, ...]
    orders: tuple[tuple[int, ...], ...]


def judge(chat: Chat, questions: Iterable[Asked], config: JudgeConfig) -> Judged:
    """Have ``chat`` judge all answers: every pair of models, each answer alone, or all of them ranked.

    An answer to a request is kept by the chat's own cache, by messages and draw, so a judgement that was interrupted
    goes on where it was. Raises `UserError` for a question without the reference that is to be shown, and for a
    comparison of fewer than two models.
    """
    cases = [case for asked in questions for case in _cases(asked, config)]
    verdicts: list[Verdict] = []
    requests = tokens_in = tokens_out = 0
    each = config.samples * (len(cases[0].orders) if cases else 1)
    step = max(1, config.batch // each)
    for start in range(0, len(cases), step):
        part = cases[start : start + step]
        asked = [
            request(case.asked, [case.asked.answer(case.models[i]) for i in order], config, draw)
            for case in part
            for order in case.orders
            for draw in range(config.samples)
        ]
        replies = chat.ask(asked)
        if len(replies) != len(asked):
            raise ValueError(f"{chat.name} gave {len(replies)} answers to {len(asked)} requests")
        requests += len(asked)
        tokens_in += sum(reply.tokens_in for reply in replies if isinstance(reply, ChatReply))
        tokens_out += sum(reply.tokens_out for reply in replies if isinstance(reply, ChatReply))
        at = 0
        for case in part:
            size = config.samples * len(case.orders)
            verdicts.append(_verdict(case, replies[at : at + size], config))
            at += size
    return Judged(chat.name, chat.model, config, tuple(verdicts), Spent(requests, tokens_in, tokens_out))


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
    return [_Case(asked, group, _orders(len(group), config)) for group in groups]


def _orders(count: int, config: JudgeConfig) -> tuple[tuple[int, ...], ...]:
    forward = tuple(range(count))
    return (forward, forward[::-1]) if config.both_orders else (forward,)


def _verdict(case: _Case, replies: Sequence[ChatReply | Failure], config: JudgeConfig) -> Verdict:
    by_order: list[Values | None] = []
    leans = []
    unparsed = 0
    for number, order in enumerate(case.orders):
        part = replies[number * config.samples : (number + 1) * config.samples]
        texts = [reply.text for reply in part if isinstance(reply, ChatReply)]
        read = [values for text in texts if (values := _read(text, len(order), config)) is not None]
        unparsed += len(texts) - len(read)
        means = [sum(column) / len(read) for column in zip(*read, strict=True)] if read else None
        if means is not None:
            leans.append(means[0] - means[-1])
        by_order.append(None if means is None else tuple(means[order.index(i)] for i in range(len(order))))
    failures = tuple(reply.reason for reply in replies if isinstance(reply, Failure))
    known = [values for values in by_order if values is not None]
    complete = len(known) == len(by_order)
    return Verdict(
        question=case.asked.id,
        language=case.asked.language,
        models=case.models,
        mode=config.mode,
        values=tuple(sum(column) / len(known) for column in zip(*known, strict=True)) if complete else None,
        by_order=tuple(by_order),
        lean=sum(leans) / len(leans) if complete and len(by_order) > 1 else None,
        draws=Draws(len(replies), len(replies) - unparsed - len(failures), unparsed, len(failures), failures),
    )


def _read(text: str, count: int, config: JudgeConfig) -> Values | None:
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
