"""Longer text against references: ROUGE-L, METEOR, BLEU, chrF, and xCOMET through a quality estimator.

The tokenizer of a metric is in its name. None of them needs a download: where sacrebleu would ask for MeCab or a
sentence-piece model (Japanese, Korean, Thai), the characters of scripts without spaces are tokens (`segment.words`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import regex

from polysee.evaluation.metrics.base import Call, Metric, mean, texts
from polysee.evaluation.metrics.forms import bare, small
from polysee.evaluation.metrics.meteor import meteor_score
from polysee.schema.errors import MissingExtra
from polysee.services.base import Failure, QualityEstimator, Translation
from polysee.text.digits import to_ascii
from polysee.text.languages import base_language
from polysee.text.normalise import nfc
from polysee.text.segment import words

_LATIN = re.compile(r"[a-z0-9]+")
# The same for all scripts; the joiners are parts of Persian and Indic words.
_TOKEN = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+")
_SPACE = re.compile(r"\s+")


def rouge_l(prediction: str, references: Any, call: Call) -> float:
    """F1 of the longest common subsequence of words (Lin, 2004), the best over references, 0-1.

    Official: rouge_score's tokens, which are ASCII letters and digits, so that other scripts score 0.
    """
    return _best_lcs(_rouge_tokens(prediction, call), [_rouge_tokens(r, call) for r in texts(references)])


def rouge_l_characters(prediction: str, references: Any, call: Call) -> float:
    """The same over characters without white space, for scripts that do not part words."""
    sides = [list(_SPACE.sub("", _folded(text, call))) for text in (prediction, *texts(references))]
    return _best_lcs(sides[0], sides[1:])


def _folded(text: str, call: Call) -> str:
    return text if call.official else small(to_ascii(nfc(bare(text))), call.language)


def _rouge_tokens(text: str, call: Call) -> list[str]:
    if call.official:
        return _LATIN.findall(text.lower())
    return [token for word in words(_folded(text, call)) for token in _TOKEN.findall(word)]


def _best_lcs(answer: list[str], golds: Sequence[list[str]]) -> float:
    try:
        from rapidfuzz.distance import LCSseq
    except ImportError as error:
        raise MissingExtra("rapidfuzz", "eval") from error
    best = 0.0
    for gold in golds:
        if answer and gold:
            common = LCSseq.similarity(answer, gold)
            best = max(best, 2.0 * common / (len(answer) + len(gold)))
    return best


def meteor(prediction: str, references: Any, call: Call) -> float:
    """METEOR's exact and stem modules, 0-1, the best over references; see `meteor_score` for what is left out."""
    official = call.official
    language = "en" if official else call.language
    sides = [
        text.lower().split() if official else words(small(nfc(bare(text)), call.language))
        for text in (prediction, *texts(references))
    ]
    return max((meteor_score(sides[0], gold, language) for gold in sides[1:]), default=0.0)


def chrf(prediction: Sequence[str], references: Sequence[Sequence[str]], call: Call) -> float:
    """chrF2 of a corpus, 0-100 (Popović, 2015), by sacrebleu. ``references``: streams as sacrebleu takes them."""
    answers, streams = _sides(prediction, references, call)
    return float(_chrf().corpus_score(answers, streams).score)


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """chrF2 of one sentence in NFC, 0-1."""
    return float(_chrf().sentence_score(nfc(prediction), [nfc(text) for text in references]).score) / 100.0


def bleu_13a(prediction: Sequence[str], references: Sequence[Sequence[str]], call: Call) -> float:
    """BLEU of a corpus, 0-100, sacrebleu's default tokenizer. Of no use for scripts without spaces."""
    return _bleu("13a", *_sides(prediction, references, call))


def bleu_zh(prediction: Sequence[str], references: Sequence[Sequence[str]], call: Call) -> float:
    """BLEU with sacrebleu's tokenizer for Chinese."""
    return _bleu("zh", *_sides(prediction, references, call))


def bleu_words(prediction: Sequence[str], references: Sequence[Sequence[str]], call: Call) -> float:
    """BLEU over `segment.words`: words where a script parts them, else characters as readers see them."""
    answers, streams = _sides(prediction, references, call)
    return _bleu("none", [" ".join(words(a)) for a in answers], [[" ".join(words(t)) for t in s] for s in streams])


def bleu(prediction: Sequence[str], references: Sequence[Sequence[str]], call: Call) -> float:
    """BLEU with the tokenizer that `bleu_name` says. Official: 13a in every language."""
    name = "bleu_13a" if call.official else bleu_name(call.language)
    return _BLEU[name](prediction, references, call)


def bleu_name(language: str) -> str:
    """Which BLEU suits a language: ``bleu_zh``, ``bleu_words`` (ja, ko, th, lo, km, my, bo) or ``bleu_13a``."""
    base = base_language(language)
    if base in ("zh", "yue", "wuu"):
        return "bleu_zh"
    return "bleu_words" if base in ("ja", "ko", "th", "lo", "km", "my", "bo") else "bleu_13a"


def xcomet(estimator: QualityEstimator, translations: Sequence[Translation]) -> tuple[float, int]:
    """Mean estimate in 0-1 of those that the estimator could judge, and the number of failures.

    Raises `ValueError` where none could be judged: a mean over nothing would pass for a score.
    """
    results = estimator.estimate(translations)
    values = [result for result in results if not isinstance(result, Failure)]
    return mean(values), len(results) - len(values)


def _sides(
    prediction: Sequence[str], references: Sequence[Sequence[str]], call: Call
) -> tuple[list[str], list[list[str]]]:
    if call.official:
        return list(prediction), [list(stream) for stream in references]
    return [nfc(text) for text in prediction], [[nfc(text) for text in stream] for stream in references]


def _bleu(tokenizer: str, answers: list[str], streams: list[list[str]]) -> float:
    # Force: the text is tokenized already for "none", and a lone warning would say the same of 13a.
    return float(_bleu_scorer(tokenizer).corpus_score(answers, streams).score)


@lru_cache(maxsize=8)
def _bleu_scorer(tokenizer: str) -> Any:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise MissingExtra("sacrebleu", "eval") from error
    return BLEU(tokenize=tokenizer, force=True)


@lru_cache(maxsize=1)
def _chrf() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra("sacrebleu", "eval") from error
    return CHRF()


_Bleu = Callable[[Sequence[str], Sequence[Sequence[str]], Call], float]
_BLEU: dict[str, _Bleu] = {"bleu_13a": bleu_13a, "bleu_words": bleu_words, "bleu_zh": bleu_zh}
METRICS: dict[str, Metric] = {
    **_BLEU,
    "bleu": bleu,
    "chrf": chrf,
    "meteor": meteor,
    "rougeL_f": rouge_l,
    "rougeL_f_char": rouge_l_characters,
}
