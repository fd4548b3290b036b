"""Captions: COCO, Karpathy's splits, TextCaps, image paragraphs, and lines of ``image#number caption``.

Formats: COCO's ``captions_*.json`` (cocodataset.org, "Data format"); Karpathy's ``dataset_*.json`` for COCO, Flickr8k
and Flickr30k (cs.stanford.edu/people/karpathy/deepimagesent); TextCaps 0.1 (textvqa.org/textcaps/dataset); Stanford's
``paragraphs_v1.json`` with its lists of image ids (cs.stanford.edu/people/ranjaykrishna/im2p); ``Flickr8k.token.txt``,
``results_20130124.token`` and, with ``#zhc#`` or ``#zhm#`` for the language, Flickr8k-CN's and COCO-CN's files
(github.com/li-xirong/cross-lingual-cap, github.com/li-xirong/coco-cn).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from polysee.schema.errors import BadRecord
from polysee.schema.sample import Turn
from polysee.sources.families.answers import draws, listed, required, sayings
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item, Medium
from polysee.sources.families.flat import FlatSource, Layout
from polysee.sources.families.reading import json_rows, lines, values
from polysee.sources.fields import full_field, optional_field, record_id, text
from polysee.sources.rows import Row

_LINE = re.compile(r"(?P<image>[^\s#]+)#(?P<number>\S+)\s+(?P<caption>.+)")
_COCO = re.compile(r"COCO_(?P<folder>\w+?)_\d+")


class CaptionParams(AdapterParams):
    """Parameters of sources whose images have several captions."""

    per: Literal["caption", "image"] = "caption"
    """A record for each caption, as M3IT has it, or one for each image, with all captions as references."""


class Coco(AnnotationSource):
    """``images`` and ``annotations`` of COCO's object, and the file names by image id."""

    image: ClassVar[str] = "{file_name}"

    @cached_property
    def _images(self) -> dict[object, str | BadRecord]:
        # The names alone: all else that COCO tells of an image is ten times as long.
        images = (one for one in values(self._annotations, "images.item") if isinstance(one, dict))
        return {one["id"]: self._named(one) for one in images if isinstance(one.get("id"), str | int | float)}

    def _named(self, image: dict[str, Any]) -> str | BadRecord:
        try:
            return self.image_named(image, image_id=image["id"]).name
        except BadRecord as bad:
            return bad

    def picture(self, data: dict[str, Any]) -> Medium:
        """The image of an annotation. Raises `BadRecord` (``missing-image``)."""
        record_id(required(data, "image_id"))  # a list, for one, is no key
        name = self._images.get(data["image_id"])
        if name is None:
            raise BadRecord("missing-image", f"no image has the id {data['image_id']!r}")
        if isinstance(name, BadRecord):
            raise name
        return Medium(name)


class CocoCaptions(Coco):
    """COCO's ``captions_train2014.json`` and files like it: ``images`` and ``annotations`` with ``caption``."""

    Params: ClassVar[type[CaptionParams]] = CaptionParams
    adapter: ClassVar[str] = "coco-captions"
    dataset: ClassVar[str] = "coco-captions"

    def rows(self) -> Iterator[Row]:
        """The captions, or with ``per: image`` one row an image."""
        assert isinstance(self._params, CaptionParams)
        found = json_rows(self._annotations, "annotations.item")
        return found if self._params.per == "caption" else _by_image(found)

    def item(self, row: Row) -> Item:
        """One caption, or all of an image."""
        captions = _captions(row.data)
        key = record_id(required(row.data, "image_id" if "captions" in row.data else "id"))
        return Item(key, (Turn("", captions[0]),), (self.picture(row.data),), references=captions)


def _by_image(rows: Iterator[Row]) -> Iterator[Row]:
    together: dict[object, Row] = {}
    for row in rows:
        image = row.data.get("image_id")
        if row.error is not None or not isinstance(image, str | int):
            yield row
        elif image in together:
            together[image].data["captions"].append(row.data.get("caption"))
        else:
            together[image] = Row(row.place, {"image_id": image, "captions": [row.data.get("caption")]})
    yield from together.values()


def _captions(data: dict[str, Any]) -> tuple[str, ...]:
    if "captions" not in data:
        return (full_field(data, "caption"),)
    found = tuple(text(one, "caption") for one in data["captions"])
    if not all(found):
        raise BadRecord("empty-field", "caption")
    return found


class KarpathyCaptions(AnnotationSource):
    """Karpathy's ``dataset_coco.json``, ``dataset_flickr30k.json`` …: each image with its ``sentences``."""

    Params: ClassVar[type[CaptionParams]] = CaptionParams
    adapter: ClassVar[str] = "karpathy-captions"
    dataset: ClassVar[str] = "coco-captions-karpathy"
    image: ClassVar[str] = "{folder}{filename}"

    def rows(self) -> Iterator[Row]:
        """The captions, or with ``per: image`` the images."""
        assert isinstance(self._params, CaptionParams)
        for row in json_rows(self._annotations, "images.item"):
            said = row.data.get("sentences")
            if row.error is not None or self._params.per == "image" or not isinstance(said, list):
                yield row
                continue
            for number, one in enumerate(said):
                yield Row(f"{row.place}#{number}", {**row.data, "sentences": [one], "number": number})

    def item(self, row: Row) -> Item | None:
        """The sentences of one image; ``restval``, Karpathy's spare images, is part of ``train``."""
        data = row.data
        own = optional_field(data, "split")
        if self.other_split("train" if own == "restval" else own):
            return None
        captions = tuple(full_field(one, "raw") for one in listed(data, "sentences", dict))
        if not captions:
            raise BadRecord("empty-answer", "sentences")
        folder = optional_field(data, "filepath")
        name = self.image_named(data, folder=f"{folder}/" if folder else "")
        key = record_id(required(data, "imgid"))
        key = f"{key}#{data['number']}" if "number" in data else key
        return Item(key, (Turn("", captions[0]),), (name,), references=captions)


class TextCaps(FlatSource):
    """TextCaps: ``data`` of ``caption_str`` and ``image_id``; all captions of the image are references."""

    adapter: ClassVar[str] = "textcaps"
    dataset: ClassVar[str] = "textcaps"
    image: ClassVar[str] = "{image_id}.jpg"
    layout: ClassVar[Layout] = Layout(within="data.item", answer="caption_str", key="caption_id", split="set_name")

    def extra_references(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """The image's other captions (``reference_strs`` has all five)."""
        others = list(sayings(data.get("reference_strs") or [], "reference_strs"))
        own = optional_field(data, "caption_str")
        if own in others:
            others.remove(own)
        return tuple(others)


class ParagraphParams(AdapterParams):
    """Parameters of image paragraphs."""

    ids: str | None = None
    """A JSON list of the image ids of one split (``train_split.json``)."""


class ImageParagraphs(FlatSource):
    """Stanford's image paragraphs: ``image_id`` (of Visual Genome) and ``paragraph``."""

    Params: ClassVar[type[ParagraphParams]] = ParagraphParams
    adapter: ClassVar[str] = "image-paragraphs"
    dataset: ClassVar[str] = "image-paragraph-captioning"
    image: ClassVar[str] = "{image_id}.jpg"
    extra_files: ClassVar[tuple[str, ...]] = ("ids",)
    layout: ClassVar[Layout] = Layout(answer="paragraph")

    @cached_property
    def _wanted(self) -> frozenset[str] | None:
        assert isinstance(self._params, ParagraphParams)
        return None if self._params.ids is None else frozenset(str(one) for one in values(self.path("ids"), "item"))

    def item(self, row: Row) -> Item | None:
        """One paragraph; None for an image outside of the wanted split."""
        if self._wanted is not None and str(row.data.get("image_id")) not in self._wanted:
            return None
        return super().item(row)


class CaptionLines(AnnotationSource):
    """Lines ``image.jpg#0 <white space> caption`` of Flickr8k, Flickr30k, Flickr8k-CN and COCO-CN.

    COCO-CN has images of COCO's ``train2014`` and ``val2014``: ``images`` may be the folder that has both.
    """

    adapter: ClassVar[str] = "caption-lines"
    dataset: ClassVar[str] = "flickr8k-cn"
    image: ClassVar[str] = "{image}|{image}.jpg|{folder}/{image}.jpg"

    def rows(self) -> Iterator[Row]:
        """The lines."""
        return lines(self._annotations)

    def item(self, row: Row) -> Item:
        """One caption."""
        match = _LINE.fullmatch(row.data["line"])
        if match is None:
            raise BadRecord("bad-line", "the line is not `image#number caption`")
        key = f"{match['image']}#{match['number']}"
        coco = _COCO.match(match["image"])
        named = self.image_named(match.groupdict(), folder=coco["folder"] if coco is not None else ".")
        return Item(key, (Turn("", text(match["caption"], "caption")),), (named,))


class CocoItm(Coco):
    """Image-text matching out of COCO's captions: is this the image's caption, or one of another image?

    Which it is, and whose, follows from the caption's id and the seed. M3IT builds its COCO-ITM from the same file.
    """

    adapter: ClassVar[str] = "coco-itm"
    dataset: ClassVar[str] = "coco-itm"

    def rows(self) -> Iterator[Row]:
        """The captions."""
        return json_rows(self._annotations, "annotations.item")

    @cached_property
    def _all(self) -> list[tuple[object, str]]:
        found = (row.data for row in self.rows() if row.error is None)
        return [(one.get("image_id"), one["caption"]) for one in found if isinstance(one.get("caption"), str)]

    def item(self, row: Row) -> Item:
        """A caption to compare with the image; half of them are the image's own."""
        key, own = record_id(required(row.data, "id")), full_field(row.data, "caption")
        stream = draws(self._seed, f"itm:{key}")
        matches = next(stream) % 2 == 0
        shown = own if matches else self._foreign(row.data["image_id"], stream)
        turn = Turn(shown, "yes" if matches else "no")
        return Item(key, (turn,), (self.picture(row.data),), options=("yes", "no"))

    def _foreign(self, image: object, stream: Iterator[int]) -> str:
        for _ in range(64):
            other, caption = self._all[next(stream) % len(self._all)]
            if other != image:
                return text(caption, "caption")
        raise BadRecord("no-other-image", "the file has captions of one image alone")
