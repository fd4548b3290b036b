"""Formats whose annotations are one record each, declared as a table of field names rather than written as code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from polysee.schema.errors import BadRecord
from polysee.schema.sample import MediaKind, Turn
from polysee.sources.base import MediaBlob
from polysee.sources.families.answers import chosen, majority, required, sayings
from polysee.sources.families.core import AnnotationSource, Item, Medium
from polysee.sources.families.reading import records
from polysee.sources.fields import full_field, image_bytes, record_id
from polysee.sources.rows import Row


@dataclass(frozen=True, slots=True)
class Layout:
    """Which fields of a record mean what.

    ``within``: where the records are, as `records` takes it. ``key``: field of the id; without one a record is called
    by its number. ``question``: field of the input. ``answer``: field of one answer or of several, of which the
    majority is the output (``vote``) or else the first. ``options``: field of the candidates; with ``index`` the answer
    is a position among them. ``split``: field of the file's own split. ``picture``: field with the picture's bytes,
    where they are in the record.
    """

    answer: str
    question: str = ""
    within: str = ""
    key: str = ""
    options: str = ""
    index: bool = False
    vote: bool = False
    split: str = ""
    picture: str = ""
    kind: MediaKind = "image"


class FlatSource(AnnotationSource):
    """An adapter that its `Layout` describes whole. Subclasses may mend a record first (`mended`)."""

    layout: ClassVar[Layout]

    def rows(self) -> Iterator[Row]:
        """The records of the annotation file."""
        return records(self._annotations, self.layout.within)

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """The record with computed fields, for formats that need one or two. Raises `BadRecord`."""
        return data

    def media(self, data: Mapping[str, Any]) -> tuple[Medium | MediaBlob, ...]:
        """The record's media: bytes in a field, or the file that the template of names gives."""
        if self.layout.picture:
            return (picture(required(data, self.layout.picture), self.layout.picture),)
        named = self.image_named(data)
        return (Medium(named.name, kind=self.layout.kind),)

    def extra_references(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Answers besides those of the answer field."""
        return ()

    def item(self, row: Row) -> Item | None:
        """The record as the layout reads it."""
        layout, data = self.layout, self.mended(row.data)
        if layout.split and self.other_split(data.get(layout.split)):
            return None
        options = tuple(sayings(required(data, layout.options), layout.options)) if data.get(layout.options) else ()
        answer, answers = self._answers(data, options)
        return Item(
            key=record_id(required(data, layout.key)) if layout.key else "",
            turns=(Turn(full_field(data, layout.question) if layout.question else "", answer),),
            media=self.media(data),
            options=options,
            references=(*answers, *self.extra_references(data)),
        )

    def _answers(self, data: Mapping[str, Any], options: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        value = required(data, self.layout.answer)
        if self.layout.index and options:
            return chosen(options, value, self.layout.answer), ()
        answers = tuple(one for one in sayings(value, self.layout.answer) if one)
        if not answers:
            raise BadRecord("empty-answer", self.layout.answer)
        return (majority(answers) if self.layout.vote else answers[0]), answers


def picture(value: object, name: str) -> MediaBlob:
    """The picture in a table's cell: bytes, or an object with ``bytes``. Raises `BadRecord`."""
    if isinstance(value, dict):
        value = value.get("bytes")
    if not isinstance(value, bytes):
        raise BadRecord("missing-image", f"{name} holds no bytes")
    return image_bytes(value, name)


def parallel(row: Row, *names: str) -> Iterator[Row]:
    """One row for each place in parallel lists (``questions`` and ``answers``), under the same names.

    Lists of unlike length give one row with the error ``wrong-type``.
    """
    columns = [row.data.get(name) for name in names]
    if row.error is not None:
        yield row
        return
    if not all(isinstance(one, list) for one in columns) or len({len(one) for one in columns if one is not None}) != 1:
        yield Row(row.place, row.data, BadRecord("wrong-type", f"{' and '.join(names)} are no lists of one length"))
        return
    for number, together in enumerate(zip(*(one for one in columns if one is not None), strict=True)):
        data = {**row.data, **dict(zip(names, together, strict=True)), "number": number}
        yield Row(f"{row.place}#{number}", data)
