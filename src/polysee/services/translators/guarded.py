"""Translates whole texts: protects what must not change, cuts into sentences, translates, restores, joins.

A sentence whose placeholders do not all come back is asked again with placeholders of another form, and fails when none
gets through. Nothing is ever put together from a damaged answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from polysee.schema.errors import BadRecord
from polysee.schema.sample import IMAGE_MARK
from polysee.services.base import Failure, Segment, Translator
from polysee.text.normalise import nfc
from polysee.text.protect import FORMS, KINDS, LOST, Form, Kind, Piece, Protected, protect, restore, unplaced
from polysee.text.segment import is_legible
from polysee.text.sentences import Sentences, join, split

LONGEST = 400
"""Characters of a sentence before it is cut: within 512 tokens of the usual models in every script."""

_Pair: TypeAlias = tuple[str, str]
_Question: TypeAlias = tuple[Protected, str, str]
"""A sentence, its source language, its target language."""


@dataclass(frozen=True, slots=True)
class Guard:
    """``kinds``: what is protected. ``forms``: of placeholders, in the order in which they are tried. ``longest``: the
    most characters of a sentence, each protected piece counted as one."""

    kinds: tuple[Kind, ...] = KINDS
    forms: tuple[Form, ...] = FORMS
    longest: int = LONGEST


@dataclass(frozen=True, slots=True)
class _Part:
    """A sentence: what stands before and after the part that is translated. ``core`` is `None` where nothing is."""

    before: str
    core: Protected | None
    after: str


@dataclass(frozen=True, slots=True)
class _Plan:
    segment: Segment
    sentences: Sentences
    parts: tuple[_Part, ...]

    def questions(self) -> list[_Question]:
        return [(part.core, self.segment.source, self.segment.target) for part in self.parts if part.core is not None]


def translate_texts(
    translator: Translator, segments: Sequence[Segment], guard: Guard | None = None
) -> list[str | Failure]:
    """One translation in NFC a text, in order; line breaks and protected pieces as they were.

    Equal sentences are asked once. A text whose source is its target, or that holds nothing to translate, comes back
    as it is. Failures: ``unsupported-language``, ``placeholder-lost``, ``too-many-pieces``, ``empty-translation`` and
    the translator's own; the text's first one stands for all.
    """
    guard = guard or Guard()
    supported: dict[_Pair, bool] = {}
    plans: list[_Plan | str | Failure] = []
    for segment in segments:
        pair = segment.source, segment.target
        if segment.source == segment.target:
            plans.append(nfc(segment.text))
            continue
        if pair not in supported:
            supported[pair] = translator.supports(*pair)
        if not supported[pair]:
            detail = f"{translator.name} does not translate from {segment.source} to {segment.target}"
            plans.append(Failure("unsupported-language", detail))
            continue
        plans.append(_plan(segment, guard))
    questions = dict.fromkeys(question for plan in plans if isinstance(plan, _Plan) for question in plan.questions())
    answers = _ask(translator, list(questions), guard.forms)
    return [_put_together(plan, answers) if isinstance(plan, _Plan) else plan for plan in plans]


def _plan(segment: Segment, guard: Guard) -> _Plan | Failure:
    try:
        protected = protect(nfc(segment.text), guard.kinds)
    except BadRecord as bad:
        return Failure(bad.reason, bad.detail)
    sentences = split(protected.template, longest=guard.longest)
    gaps = tuple(protected.part(gap).original() for gap in sentences.gaps)
    parts = tuple(_part(protected.part(text)) for text in sentences.texts)
    return _Plan(segment, Sentences(sentences.texts, gaps), parts)


def _part(sentence: Protected) -> _Part:
    """Marks and option letters at the ends stay out of the question: the rest is plainer without them."""
    if not sentence.has_words():
        return _Part(sentence.original(), None, "")
    start, end = 0, len(sentence.template)
    while _stands_apart(sentence, start, ("image", "option")):
        start += 1
    while _stands_apart(sentence, end - 1, ("image",)):
        end -= 1
    before, core, after = (
        sentence.part(cut) for cut in (sentence.template[:start], sentence.template[start:end], sentence.template[end:])
    )
    return _Part(before.original(), core, after.original())


def _stands_apart(sentence: Protected, at: int, kinds: tuple[str, ...]) -> bool:
    character = sentence.template[at]
    piece: Piece | None = next(iter(sentence.part(character).pieces), None)
    if piece is None:
        return character.isspace()
    # A bare letter may be a word of the sentence (“B is right”), one with its bracket or full stop is a label.
    return piece.kind in kinds and (piece.kind != "option" or len(piece.text.strip()) > 1)


def _ask(
    translator: Translator, questions: Sequence[_Question], forms: Sequence[Form]
) -> Mapping[_Question, str | Failure]:
    done: dict[_Question, str | Failure] = {}
    left = list(questions)
    for form in forms:
        written = {question: Segment(question[0].write(form), *question[1:]) for question in left}
        unique = list(dict.fromkeys(written.values()))
        answers = dict(zip(unique, translator.translate(unique), strict=True)) if unique else {}
        done.update({question: _restored(answers[written[question]], question[0], form) for question in left})
        left = [q for q in left if isinstance(found := done[q], Failure) and found.reason == LOST]
    return done


def _restored(answer: str | Failure, sentence: Protected, form: Form) -> str | Failure:
    if isinstance(answer, Failure):
        return answer
    try:
        text = nfc(restore(answer.strip(), sentence, form))
    except BadRecord as bad:
        return Failure(bad.reason, bad.detail)
    if text.count(IMAGE_MARK) != sum(piece.text.count(IMAGE_MARK) for piece in sentence.pieces):
        return Failure(LOST, f"the translation has {IMAGE_MARK} in another number")
    if not is_legible(unplaced(answer, form), share=0):
        return Failure("empty-translation", f"{answer[:80]!r} came back for {sentence.original()!r}")
    return text


def _put_together(plan: _Plan, answers: Mapping[_Question, str | Failure]) -> str | Failure:
    found: list[str] = []
    for part in plan.parts:
        middle: str | Failure = ""
        if part.core is not None:
            middle = answers[part.core, plan.segment.source, plan.segment.target]
        if isinstance(middle, Failure):
            return middle
        found.append(part.before + middle + part.after)
    return nfc(join(plan.sentences, found, source=plan.segment.source, target=plan.segment.target))
