"""Collections in common forms: conversations in JSON, PixMo's and RLAIF-V's tables, M3IT's translated sets.

Formats: LLaVA's and ShareGPT's conversations, as in LLaVA-Video-178K, PangeaIns, CulturalGround, EuroBlocks and
Bespoke-Stratos (their cards on the Hub); allenai/pixmo-cap, -ask-model-anything, -cap-qa and -count (Parquet, pictures
by address; github.com/allenai/molmo names the files); openbmb/RLAIF-V-Dataset; MMInstruction/M3IT-80, whose loading
script, like its forerunner's (M3IT_ML), joins the lines of a language (``instruction``, ``input``, ``output``) with
those of the untranslated file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import model_validator

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import IMAGE_MARK, Turn
from polysee.sources import catalogue
from polysee.sources.base import EVALUATION_ONLY, Expected, MediaBlob, SourceRecord
from polysee.sources.families.answers import required, said
from polysee.sources.families.core import (
    AdapterParams,
    AnnotationSource,
    Item,
    Medium,
    check_adapter,
    existing,
)
from polysee.sources.families.flat import FlatSource, Layout
from polysee.sources.families.reading import records
from polysee.sources.fields import data_hash, dialogue, field, language_tag, optional_field, record_id, text
from polysee.sources.json_source import JsonParams, as_list
from polysee.sources.m3it import M3it, M3itParams
from polysee.sources.rows import Row, read_rows

VIDEO_MARK = "<video>"
_NAMED = {"zh_simplified": "zh", "zh_traditional": "zh-Hant", "bengali": "bn"}
"""Names of languages that PangeaIns uses and the CLDR does not."""
_RAW = ("image_base64_str", "image_str", "img_str", "images")
"""Fields in which M3IT's raw files have their pictures; which one differs from dataset to dataset."""


class ConversationParams(AdapterParams):
    """Parameters of conversations."""

    language_field: str | None = None
    """The field of a record that names its language, where they differ."""


class Conversations(AnnotationSource):
    """``conversations`` (``from``, ``value``) or ``messages`` (``role``, ``content``) with ``image``, ``images`` or
    ``video``, or with text alone. A system message, or a record's field ``system``, stands before the first question.

    ``language_field`` may hold tags or names of languages (PangeaIns has ``arabic`` and ``zh_simplified``).
    """

    Params: ClassVar[type[ConversationParams]] = ConversationParams
    adapter: ClassVar[str] = "conversations"
    dataset: ClassVar[str] = "llava-video-178k"

    def rows(self) -> Iterator[Row]:
        """The conversations."""
        return records(self._annotations)

    def item(self, row: Row) -> Item:
        """A conversation."""
        data = row.data
        messages = data.get("conversations", data.get("messages"))
        if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
            raise BadRecord("missing-field" if messages is None else "wrong-type", "conversations")
        system, turns = dialogue([_message(one) for one in messages])
        system = system or optional_field(data, "system")
        if system:
            turns = (Turn(f"{system}\n{turns[0].input}", turns[0].output), *turns[1:])
        named = data.get("id")
        return Item("" if named is None else record_id(named), turns, _media(data), language=self._own_language(data))

    def _own_language(self, data: Mapping[str, Any]) -> str:
        assert isinstance(self._params, ConversationParams)
        name = self._params.language_field
        if name is None or data.get(name) is None:
            return ""
        said = text(data[name], "language")
        return _NAMED.get(said.casefold()) or catalogue.named(said) or language_tag(said)

    def _known_language(self) -> str:
        assert isinstance(self._params, ConversationParams)
        if self._params.language is None and self._params.language_field is not None:
            raise BadRecord("no-language", f"the record has no {self._params.language_field!r}")
        return super()._known_language()


def _message(message: Mapping[str, Any]) -> tuple[str, str]:
    role = field(message, "role" if "role" in message else "from")
    spoken = field(message, "content" if "content" in message else "value")
    return role, spoken.replace(VIDEO_MARK, IMAGE_MARK)


def _media(data: Mapping[str, Any]) -> tuple[Medium | MediaBlob, ...]:
    images = as_list(data.get("images")) or as_list(data.get("image"))
    videos = as_list(data.get("videos")) or as_list(data.get("video"))
    found = [Medium(text(_path(one), "image")) for one in images]
    return (*found, *(Medium(text(_path(one), "video"), kind="video") for one in videos))


def _path(value: object) -> object:
    return value.get("path") if isinstance(value, dict) else value


class PixMo(FlatSource):
    """PixMo's captions, questions and answers. Pictures are files called by the SHA-256 of their address or bytes.

    They are looked for as ``<image_sha256>.jpg``, where the table has that column, and as the SHA-256 of
    ``image_url``'s text, with and without an ending.
    """

    adapter: ClassVar[str] = "pixmo"
    dataset: ClassVar[str] = "pixmo-cap"
    image: ClassVar[str] = "{image_sha256}.jpg|{image_sha256}|{url_sha256}.jpg|{url_sha256}"
    layout: ClassVar[Layout] = Layout(answer="answer", key="id")

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """With the address's hash, the caption or count as the answer, and an id of address and question."""
        url = text(required(data, "image_url"), "image_url")
        of_url = hashlib.sha256(url.encode()).hexdigest()
        # PixMo-CapQA's questions stand between the marks of a dialogue.
        asked = text(data.get("question") or "", "question").removeprefix("[USER]").removesuffix("[ASSISTANT]").strip()
        if data.get("count") is not None:
            answer, asked = said(data["count"], "count"), text(required(data, "label"), "label")
        else:
            answer = text(required(data, "answer" if asked else "caption"), "answer")
        digest = hashlib.sha256(f"{url}\0{asked}".encode()).hexdigest()[:32]
        known = data.get("image_sha256") or of_url
        return {**data, "image_sha256": known, "url_sha256": of_url, "asked": asked, "answer": answer, "id": digest}

    def item(self, row: Row) -> Item | None:
        """A caption, a question, or a count of things."""
        found = super().item(row)
        asked = self.mended(row.data)["asked"]
        return replace(found, turns=(Turn(asked, found.turns[0].output),)) if found is not None and asked else found


class RlaifV(FlatSource):
    """RLAIF-V: the preferred answer (``chosen``) to each question; several rows may ask the same of one picture."""

    adapter: ClassVar[str] = "rlaif-v"
    dataset: ClassVar[str] = "rlaif-v"
    layout: ClassVar[Layout] = Layout(question="question", answer="chosen", picture="image")


class TranslatedM3itParams(M3itParams):
    """Parameters of M3IT's translated sets."""

    dataset: str
    """A name in the catalogue, such as ``m3it-80-vqa-v2``."""
    raw: str | None = None
    """The untranslated file of the same split (``val_500.jsonl``), which has the pictures: its n-th record belongs to
    the n-th of the translation. Not needed where the records have pictures of their own."""
    split: str = "evaluation"

    @model_validator(mode="after")
    def _is_for_evaluation(self) -> TranslatedM3itParams:
        found = catalogue.entry(self.dataset)
        if found.adapter != "m3it-translated":
            raise ValueError(f"dataset {self.dataset!r} is none of M3IT's translated sets")
        if self.split == "train":
            raise ValueError(f"split may not be `train`: {self.dataset!r} is for evaluation only")
        if self.split_field is not None:
            raise ValueError(f"split_field would let records say `train`: {self.dataset!r} is for evaluation only")
        if self.language is not None and self.language not in found.languages:
            raise ValueError(f"language {self.language!r} is none of the 80 that {self.dataset!r} has")
        return self


class TranslatedM3it(M3it):
    """M3IT-80: evaluation sets that were translated into 80 languages, one file a language. Never for training.

    A file such as ``vqa-v2_validation_am.jsonl`` has ``instruction``, ``input`` and ``output``; the pictures are in
    the untranslated file (``raw``). Records with M3IT's own five fields are read as well.
    """

    Params: ClassVar[type[TranslatedM3itParams]] = TranslatedM3itParams
    version: ClassVar[int] = 2

    def __init__(self, params: TranslatedM3itParams, *, seed: int = 0) -> None:
        super().__init__(params, seed=seed)
        self._entry = catalogue.entry(params.dataset)
        check_adapter(self._entry, "m3it-translated")
        self.licence = self._entry.licence if params.licence == "unknown" else params.licence
        self._raw = None if params.raw is None else existing(params.raw, "raw")
        if self._raw is not None and len(self._files) > 1:
            raise UserError("`raw` belongs to one file", "set `path` to the file of one language and split")

    @classmethod
    def expected(cls, params: JsonParams) -> Expected | None:
        """What the parameters and the catalogue say; None without ``expect``."""
        assert isinstance(params, TranslatedM3itParams)
        known, found = super().expected(params), catalogue.entry(params.dataset)
        licence = found.licence if params.licence == "unknown" else params.licence
        return replace(known, licence=licence, task=found.task, dataset=found.name) if known is not None else None

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the files, and of the catalogue entry."""
        entry = hashlib.sha256(self._entry.model_dump_json(exclude={"rows"}).encode()).hexdigest()
        return [*super().fingerprint_inputs(), *([data_hash(self._raw)] if self._raw is not None else []), entry]

    def rows(self, shard: str) -> Iterator[Row]:
        """The translated records in M3IT's own terms, each with the pictures of the raw one."""
        raw = read_rows(self._raw) if self._raw is not None else None
        for row in super().rows(shard):
            named = {short: row.data[short] for short in ("input", "output") if short in row.data}
            data = {**row.data, **{f"{short}s": said for short, said in named.items()}}
            if raw is None:
                yield replace(row, data=data)
                continue
            partner = next(raw, None)
            shown = () if partner is None else [one for name in _RAW for one in as_list(partner.data.get(name))]
            error = row.error or (partner.error if partner is not None else None)
            yield Row(row.place, {**data, "image_base64_str": list(shown)}, error)

    def _record(self, key: str, language: str, data: Mapping[str, Any]) -> SourceRecord:
        record = super()._record(key, language, data)
        made = ("translated:nllb", "provenance:translated", EVALUATION_ONLY)
        return replace(record, task=self._entry.task, tags=(*record.tags, f"dataset:{self._entry.name}", *made))
