"""How much of each language the training data hold, with pictures and as text alone, and how finely text is cut."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from polysee.report import svg
from polysee.report.data import LanguageData, Material, Planned, planned
from polysee.report.words import UNKNOWN, Tongue, compact, count, decimals, percent


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """``tokens``, ``token_share``, ``passes``: as planned for training, visual tokens included."""

    tongue: Tongue
    strip: Markup
    samples: str
    pictured: str
    text_only: str
    sample_share: str
    tokens: str
    token_share: str
    passes: str
    held_out: str


@dataclass(frozen=True, slots=True)
class CutRow:
    """``rate``: tokens a character (grapheme). ``times``: that, against the language that is cut least."""

    tongue: Tongue
    rate: str
    times: str
    strip: Markup


@dataclass(frozen=True, slots=True)
class Balance:
    """``ratio``: the largest number of samples over the smallest, among the trained languages."""

    rows: tuple[BalanceRow, ...]
    cuts: tuple[CutRow, ...]
    ratio: str
    planned: bool
    missing: str
    cuts_missing: str


def balance(material: Material) -> Balance:
    found = material.survey
    if found is None:
        return Balance((), (), "", False, "There are no samples yet.", "")
    plan = planned(material.files.plans, found)
    trained = [data.train for data in found.languages.values() if data.train]
    total, all_tokens = sum(trained), sum(p.tokens for p in plan.values())
    widest = max(trained, default=1)
    rows = tuple(
        _row(material.tongue(t.tag), found.languages[t.tag], plan.get(t.tag), (total, all_tokens, widest))
        for t in material.ordered(found.languages)
    )
    ratio = f"{max(trained) / min(trained):.1f}" if trained else ""
    cuts = tuple(_cuts(material))
    return Balance(rows, cuts, ratio, bool(plan), "", "" if cuts else (found.tokeniser or "no training text"))


def _row(tongue: Tongue, data: LanguageData, plan: Planned | None, totals: tuple[int, int, int]) -> BalanceRow:
    total, all_tokens, widest = totals
    split = data.pictured / widest
    bars = [svg.bar(0, split, "vl", title=f"with pictures: {count(data.pictured)}")] if data.pictured else []
    if data.text_only:
        bars.append(svg.bar(split, data.train / widest, "text", title=f"text only: {count(data.text_only)}"))
    return BalanceRow(
        tongue=tongue,
        strip=svg.strip(bars),
        samples=count(data.train) if data.train else "none",
        pictured=count(data.pictured),
        text_only=count(data.text_only),
        sample_share=percent(data.train / total) if total else UNKNOWN,
        tokens=compact(plan.tokens) if plan else UNKNOWN,
        token_share=percent(plan.tokens / all_tokens) if plan else UNKNOWN,
        passes=decimals(plan.passes / data.train, 1) if plan and data.train else UNKNOWN,
        held_out=count(data.held_out),
    )


def _cuts(material: Material) -> list[CutRow]:
    assert material.survey is not None
    rates = {
        tag: data.text_tokens / data.characters
        for tag, data in material.survey.languages.items()
        if data.characters and data.text_tokens
    }
    if not rates:
        return []
    least, most = min(rates.values()), max(rates.values())
    return [
        CutRow(
            t,
            decimals(rates[t.tag]),
            decimals(rates[t.tag] / least, 1),
            svg.strip([svg.bar(0, rates[t.tag] / most, t.seen)]),
        )
        for t in material.ordered(rates)
    ]
