"""Instruction pools of a language that has none, by a translator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polysee.schema.errors import UserError
from polysee.services.base import Failure, Segment, Translator
from polysee.text.normalise import nfc, squeeze
from polysee.transforms.instruct import Pool


@dataclass(frozen=True, slots=True)
class TranslatedPool:
    """``pool``: not reviewed by anyone. ``failed``: sentences that could not be translated. ``alike``: those whose
    translation another sentence of their task has already."""

    pool: Pool
    failed: int
    alike: int


def translate_pool(pool: Pool, target: str, translator: Translator, tasks: Sequence[str] = ()) -> TranslatedPool:
    """The pools of ``tasks`` (all where there are none) in the language ``target``, every sentence asked for once.

    Raises `UserError` where the translator does not have the two languages, or nothing could be translated.
    """
    if not translator.supports(pool.language, target):
        cause = f"the translator {translator.name!r} does not translate {pool.language} to {target}"
        raise UserError(cause, "choose another target or another translator")
    chosen = {task: pool.pools[task] for task in tasks or pool.pools if task in pool.pools}
    sentences = list(dict.fromkeys(sentence for own in chosen.values() for sentence in own))
    answers = translator.translate([Segment(sentence, pool.language, target) for sentence in sentences])
    known = {
        sentence: squeeze(nfc(answer))
        for sentence, answer in zip(sentences, answers, strict=True)
        if not isinstance(answer, Failure)
    }
    made = {
        task: tuple(dict.fromkeys(known[sentence] for sentence in own if known.get(sentence)))
        for task, own in chosen.items()
    }
    kept = {task: own for task, own in made.items() if own}
    if not kept:
        raise UserError(f"no sentence of {pool.language} could be translated to {target}", "name tasks that have pools")
    asked = sum(len(own) for own in chosen.values())
    found = sum(1 for own in chosen.values() for sentence in own if known.get(sentence))
    return TranslatedPool(
        pool=Pool(language=target, reviewed=False, pools=kept),
        failed=asked - found,
        alike=found - sum(len(own) for own in kept.values()),
    )
