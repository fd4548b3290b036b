"""Which languages well-known multilingual encoders were trained on: outside of them their figures mean nothing."""

from __future__ import annotations

import re

from polysee.text.languages import base_language

_XLM_R = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
_LABSE = (
    "af am ar as az be bg bn bo bs ca ceb co cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha haw he hi hmn hr "
    "ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny or pa pl pt "
    "ro ru rw si sk sl sm sn so sq sr st su sv sw ta te tg th tk tl tr tt ug uk ur uz vi wo xh yi yo zh zu"
)
_PARAPHRASE = (
    "ar bg ca cs da de el en es et fa fi fr gl gu he hi hr hu hy id it ja ka ko ku lt lv mk mn mr ms my nl no pl pt ro "
    "ru sk sl sq sr sv th tr uk ur vi zh"
)
_KNOWN = {
    r"unbabel/.*(comet|unite).*": _XLM_R,
    r"sentence-transformers/labse": _LABSE,
    r"sentence-transformers/paraphrase-(multilingual|xlm-r)-.*": _PARAPHRASE,
    r"intfloat/multilingual-e5-.*|baai/bge-m3": _XLM_R,
}
"""Pattern of a Hub id in lower case -> languages, as its card or that of the encoder that it was made of lists them."""

_WRITTEN_AS = {"nb": "no", "nn": "no", "fil": "tl", "ckb": "ku", "arz": "ar", "yue": "zh"}
"""Tags that the lists know under the name of a wider or an older one."""


def languages_of(model: str) -> frozenset[str] | None:
    """The languages of a model that is known by its Hub id, as `listed_as` spells them; None for another."""
    listed = next((found for pattern, found in _KNOWN.items() if re.fullmatch(pattern, model.lower())), None)
    return None if listed is None else frozenset(listed.split())


def listed_as(tag: str) -> str:
    """How a list of languages has a BCP-47 tag: ``pt`` for ``pt-BR``, ``no`` for ``nn``."""
    base = base_language(tag)
    return _WRITTEN_AS.get(base, base)
