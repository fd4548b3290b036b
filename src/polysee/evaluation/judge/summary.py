"""What a judge's verdicts come to, language by language, and how far they agree with people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from polysee.evaluation.judge.agreement import cohen_kappa, krippendorff_alpha, spearman
from polysee.evaluation.judge.judging import Judged, Verdict, Winner
from polysee.evaluation.statistics import clustered_mean

ALL = "all"
"""Stands for all languages together."""

CODES: Mapping[Winner, float] = {"first": 1.0, "tie": 0.0, "second": -1.0}
"""A verdict as a number: a tie lies between the two."""
_OPPOSITE: Mapping[Winner, Winner] = {"first": "second", "second": "first", "tie": "tie"}

Compared = tuple[str, str, str]
"""A question's id and two models, in either order."""


@dataclass(frozen=True, slots=True)
class LanguageRow:
    """Verdicts in one language, or in `ALL`.

    ``without``: verdicts that came to nothing; ``alike``: ties of equal answers, about which nothing was asked.
    ``asked``, ``unparsed``, ``failed``: requests. ``steady``: share of the pairs in which both orders name the same
    winner, None where there are none; ``lean``: mean points that the place shown first got more than the last, None
    likewise. Tokens as in `Draws`.
    """

    language: str
    verdicts: int
    without: int
    asked: int
    unparsed: int
    failed: int
    steady: float | None
    lean: float | None
    alike: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """A judge beside people on the same comparisons: first, second or tie.

    ``n`` comparisons; ``same``: share of equal verdicts, ``low`` and ``high`` the ends of its 95% interval from
    resampled pictures; ``kappa``: Cohen's; ``alpha``: Krippendorff's, ordinal (a tie
    lies between the two); ``rho``: Spearman's, of the judge's margin in points with the people's verdict. None where a
    measure is not defined. ``without``: comparisons that people made and the judge came to nothing in.
    """

    language: str
    n: int
    same: float | None
    kappa: float | None
    alpha: float | None
    rho: float | None
    without: int
    low: float | None = None
    high: float | None = None


def by_language(judged: Judged) -> tuple[LanguageRow, ...]:
    """A row for each language by tag, and one for all of them together."""
    return tuple(_language(tag, found, judged.config.tie) for tag, found in _split(judged.verdicts))


def agreement_with_people(
    judged: Judged,
    people: Mapping[Compared, Winner],
    *,
    clusters: Mapping[str, str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[AgreementRow, ...]:
    """Rows as of `by_language`, over the comparisons of two models that both the judge and people were asked for.

    ``people``: what most of them said, under (question, first model, second model); the models' order does not matter.
    ``clusters``: the picture that each question is about; a question is its own where it is not named.
    """
    rows = []
    for tag, verdicts in _split(judged.verdicts):
        pairs = [(verdict, _said(verdict, people)) for verdict in verdicts if len(verdict.models) == 2]
        both = [(verdict, said) for verdict, said in pairs if said is not None]
        row = _agreement(tag, both, judged.config.tie)
        if row.n:
            known = [(v.winner(judged.config.tie), said, v.question) for v, said in both]
            same = [float(winner == said) for winner, said, _ in known if winner is not None]
            labels = [(clusters or {}).get(question, question) for winner, _, question in known if winner is not None]
            ends = clustered_mean(same, labels, resamples=resamples, seed=seed)
            row = replace(row, low=ends.low, high=ends.high)
        rows.append(row)
    return tuple(rows)


def unparsed_rate(judged: Judged) -> dict[str, float]:
    """Share of the requests in each language whose answer could not be read."""
    return {row.language: row.unparsed / row.asked for row in by_language(judged) if row.asked}


def _split(verdicts: Sequence[Verdict]) -> Iterable[tuple[str, list[Verdict]]]:
    for tag in sorted({verdict.language for verdict in verdicts}):
        yield tag, [verdict for verdict in verdicts if verdict.language == tag]
    yield ALL, list(verdicts)


def _language(tag: str, verdicts: Sequence[Verdict], tie: float) -> LanguageRow:
    steady = [one for verdict in verdicts if (one := _steady(verdict, tie)) is not None]
    leans = [verdict.lean for verdict in verdicts if verdict.lean is not None]
    return LanguageRow(
        language=tag,
        verdicts=len(verdicts),
        without=sum(verdict.values is None and not verdict.alike for verdict in verdicts),
        asked=sum(verdict.draws.asked for verdict in verdicts),
        unparsed=sum(verdict.draws.unparsed for verdict in verdicts),
        failed=sum(verdict.draws.failed for verdict in verdicts),
        steady=sum(steady) / len(steady) if steady else None,
        lean=sum(leans) / len(leans) if leans else None,
        alike=sum(verdict.alike for verdict in verdicts),
        tokens_in=sum(verdict.draws.tokens_in for verdict in verdicts),
        tokens_out=sum(verdict.draws.tokens_out for verdict in verdicts),
    )


def _steady(verdict: Verdict, tie: float) -> bool | None:
    """Whether both orders name the same winner; None for anything but two models judged in two orders."""
    if verdict.lean is None or len(verdict.models) != 2:
        return None
    sign = -1 if verdict.mode == "rank" else 1
    margins = [sign * (values[0] - values[1]) for values in verdict.by_order if values is not None]
    return len({_sign(margin, tie) for margin in margins}) == 1


def _sign(margin: float, tie: float) -> int:
    return 0 if abs(margin) <= tie + 1e-9 else 1 if margin > 0 else -1


def _said(verdict: Verdict, people: Mapping[Compared, Winner]) -> Winner | None:
    first, second = verdict.models
    said = people.get((verdict.question, first, second))
    if said is not None:
        return said
    turned = people.get((verdict.question, second, first))
    return None if turned is None else _OPPOSITE[turned]


def _agreement(tag: str, both: Sequence[tuple[Verdict, Winner]], tie: float) -> AgreementRow:
    read = [(winner, said, _margin(verdict)) for verdict, said in both if (winner := verdict.winner(tie)) is not None]
    if not read:
        return AgreementRow(tag, 0, None, None, None, None, len(both))
    mine, theirs = [winner for winner, _, _ in read], [said for _, said, _ in read]
    codes = [(CODES[a], CODES[b]) for a, b in zip(mine, theirs, strict=True)]
    return AgreementRow(
        language=tag,
        n=len(read),
        same=sum(a == b for a, b in zip(mine, theirs, strict=True)) / len(read),
        kappa=cohen_kappa(mine, theirs),
        alpha=krippendorff_alpha(codes, "ordinal"),
        rho=spearman([margin for _, _, margin in read], [CODES[said] for said in theirs]),
        without=len(both) - len(read),
    )


def _margin(verdict: Verdict) -> float:
    if verdict.alike:
        return 0.0
    assert verdict.values is not None
    first, second = verdict.values
    return second - first if verdict.mode == "rank" else first - second
