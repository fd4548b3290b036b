"""Classification: ImageNet and ChineseFoodNet, COCO's objects and COCO-Text by box, SNLI-VE, Mocheg, image quality.

Formats: ImageNet's folders of classes with ``LOC_synset_mapping.txt`` (image-net.org, Kaggle) or Keras's
``imagenet_class_index.json``; ChineseFoodNet's ``train_list.txt``, a path and a number a line (sites.google.com/view/
chinesefoodnet); COCO's ``instances_*.json`` (cocodataset.org); COCO-Text's ``imgs`` and ``anns`` (github.com/
andreasveit/coco-text); SNLI-VE's JSON lines (github.com/necla-ml/SNLI-VE) and e-SNLI-VE's CSV (github.com/maximek3/
e-ViL); Mocheg's ``Corpus2.csv`` and ``img_evidence_qrels.csv`` (github.com/VT-NLP/Mocheg); the tables of
github.com/icbcbicc/IQA-Dataset (``dis_img_path``, ``score``), from which M3IT takes its IQA.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.families.answers import few_options, required, said
from polysee.sources.families.captions import Coco
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item, Medium
from polysee.sources.families.reading import csv_rows, json_rows, keyed_rows, lines, records, text_lines, values
from polysee.sources.fields import files_below, full_field, optional_field, record_id, text
from polysee.sources.rows import Row

Box = tuple[float, float, float, float]

_IMAGES = (".jpg", ".jpeg", ".JPEG", ".JPG", ".png", ".webp")
_SYNSET = re.compile(r"(?P<id>n\d{8})\s+(?P<names>.+)")
_LISTED = re.compile(r"(?P<path>\S.*?)(?:----|[\t ,]+)(?P<index>\d+)")
_EVIDENCE = re.compile(r"\s+")
VERDICTS = ("supported", "refuted", "NEI")
ENTAILMENT = ("entailment", "neutral", "contradiction")
QUALITY = ("bad", "poor", "fair", "good", "excellent")
"""The five grades of ITU-T P.910's absolute category rating, worst first."""
DIFFERENCES = frozenset({"A57", "CSIQ", "LIVE", "LIVE_MD", "MDID2013"})
"""Tables of IQA-Dataset whose scores are differences (DMOS): the higher, the worse."""


class ChoiceParams(AdapterParams):
    """Parameters of sources with long lists of classes."""

    choices: int = Field(default=10, ge=2, le=1000)
    """How many candidates a record shows: the right one and others, drawn by its key and the seed."""


class _Choices(AnnotationSource):
    Params: ClassVar[type[ChoiceParams]] = ChoiceParams

    def _among(self, gold: str, candidates: tuple[str, ...], key: str) -> tuple[str, ...]:
        assert isinstance(self._params, ChoiceParams)
        return few_options(gold, candidates, self._params.choices, seed=self._seed, key=key)


class ClassFolders(_Choices):
    """ImageNet: ``images`` has a folder a class, ``annotations`` says what the folders mean.

    The names are Kaggle's ``LOC_synset_mapping.txt`` (``n01440764 tench, Tinca tinca``), Keras's JSON index, or a JSON
    object of folder names and classes. A class's first name is the answer, its others are references.
    """

    adapter: ClassVar[str] = "class-folders"
    dataset: ClassVar[str] = "imagenet"

    @cached_property
    def _classes(self) -> dict[str, tuple[str, ...]]:
        return _class_names(self._annotations)

    @cached_property
    def _candidates(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names[0] for names in self._classes.values()))

    def rows(self) -> Iterator[Row]:
        """The pictures, by class and name."""
        for name in files_below(self._folder, _IMAGES):
            yield Row(name, {"path": name})

    def item(self, row: Row) -> Item:
        """A picture and its class among a few."""
        path = row.data["path"]
        names = self._classes.get(Path(path).parent.name)
        if names is None:
            raise BadRecord(
                "unknown-class", f"{Path(path).parent.name!r} is no folder that {self._annotations.name} names"
            )
        return Item(
            path,
            (Turn("", names[0]),),
            (Medium(path),),
            options=self._among(names[0], self._candidates, path),
            references=names,
        )


def _class_names(path: Path) -> dict[str, tuple[str, ...]]:
    if path.suffix == ".json":
        try:
            found = json.loads(path.read_bytes())
        except ValueError as error:
            raise UserError(f"this is not JSON: {error}", "fetch it again", place=str(path)) from None
        pairs = found.items() if isinstance(found, dict) else ()
        # Keras's index has a pair of folder and name under each number.
        named = (tuple(value) if isinstance(value, list) else (key, value) for key, value in pairs)
        classes: dict[str, tuple[str, ...]] = {
            str(one[0]): (text(one[1], "class").replace("_", " "),) for one in named if len(one) == 2
        }
    else:
        matches = [_SYNSET.fullmatch(line) for line in text_lines(path)]
        classes = {m["id"]: tuple(text(n, "class") for n in m["names"].split(",")) for m in matches if m is not None}
    if not classes:
        raise UserError(
            "no class is named in this file", "set `annotations` to LOC_synset_mapping.txt", place=str(path)
        )
    return classes


class ImageListParams(ChoiceParams):
    """Parameters of lists of images."""

    names: str | None = None
    """A text file with the name of class n, counted from 0, on line n + 1."""


class ImageList(_Choices):
    """ChineseFoodNet and its like: lines of a path and a class's number."""

    Params: ClassVar[type[ImageListParams]] = ImageListParams
    adapter: ClassVar[str] = "image-list"
    dataset: ClassVar[str] = "chinese-food-net"
    extra_files: ClassVar[tuple[str, ...]] = ("names",)

    def rows(self) -> Iterator[Row]:
        """The lines."""
        return lines(self._annotations)

    @cached_property
    def _classes(self) -> list[str]:
        return [text(name, "class") for name in text_lines(self.path("names"))]

    @cached_property
    def _candidates(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in self._classes if name))

    def item(self, row: Row) -> Item:
        """A picture and its class among a few."""
        match = _LISTED.fullmatch(row.data["line"])
        if match is None:
            raise BadRecord("bad-line", "the line is not `path number`")
        index = int(match["index"])
        name = self._classes[index] if index < len(self._classes) else ""
        if not name:
            raise BadRecord("unknown-class", f"class {index} has no name")
        path = match["path"]
        return Item(path, (Turn("", name),), (Medium(path),), options=self._among(name, self._candidates, path))


class CocoInstances(Coco, _Choices):
    """Grounded object identification (M3IT's COCO-GOI): which of COCO's classes is in the box? Crowds are left out.

    The box travels with the medium in pixels; the transform ``boxes`` draws it.
    """

    Params: ClassVar[type[ChoiceParams]] = ChoiceParams
    adapter: ClassVar[str] = "coco-instances"
    dataset: ClassVar[str] = "coco-goi"

    def rows(self) -> Iterator[Row]:
        """The objects."""
        return json_rows(self._annotations, "annotations.item")

    @cached_property
    def _classes(self) -> dict[str, str]:
        found = (one for one in values(self._annotations, "categories.item") if isinstance(one, dict))
        return {str(one.get("id")): name for one in found if (name := _category(one))}

    def item(self, row: Row) -> Item | None:
        """An object and its class among a few."""
        data = row.data
        if data.get("iscrowd") == 1:
            return None
        key, name = record_id(required(data, "id")), self._classes.get(str(data.get("category_id")))
        if name is None:
            raise BadRecord("unknown-class", f"category_id is {data.get('category_id')!r}")
        medium = replace(self.picture(data), box=corners(data.get("bbox")))
        options = self._among(name, tuple(dict.fromkeys(self._classes.values())), key)
        return Item(key, (Turn("", name),), (medium,), options=options)


def _category(category: Mapping[str, Any]) -> str:
    """A category's name; "" where it has none, so that its objects are of an unknown class."""
    try:
        return full_field(category, "name")
    except BadRecord:
        return ""


def corners(value: object) -> Box:
    """COCO's x, y, width, height as x1, y1, x2, y2 in pixels. Raises `BadRecord` (``bad-box``)."""
    if not isinstance(value, list) or len(value) != 4 or not all(type(one) in (int, float) for one in value):
        raise BadRecord("bad-box", f"bbox is {value!r}")
    x, y, width, height = (float(one) for one in value)
    if width <= 0 or height <= 0 or x + width <= 0 or y + height <= 0:
        raise BadRecord("bad-box", f"bbox {value!r} has no area in the picture")
    return x, y, x + width, y + height


class CocoTextParams(AdapterParams):
    """Parameters of COCO-Text."""

    ask: Literal["class", "legibility", "text"] = "class"
    """What is asked about the text in the box: how it was made, whether it can be read, or what it says."""


class CocoText(AnnotationSource):
    """COCO-Text: ``imgs`` and ``anns`` by id; the box is in pixels. ``file_split`` is the image's ``set``."""

    Params: ClassVar[type[CocoTextParams]] = CocoTextParams
    adapter: ClassVar[str] = "coco-text"
    dataset: ClassVar[str] = "coco-text"
    image: ClassVar[str] = "{file_name}"
    OPTIONS: ClassVar[dict[str, tuple[str, ...]]] = {
        "class": ("machine printed", "handwritten", "others"),
        "legibility": ("legible", "illegible"),
        "text": (),
    }

    def rows(self) -> Iterator[Row]:
        """The texts."""
        return keyed_rows(self._annotations, "anns")

    @cached_property
    def _images(self) -> dict[str, Mapping[str, Any]]:
        return {str(row.data.get("id")): row.data for row in keyed_rows(self._annotations, "imgs")}

    def item(self, row: Row) -> Item | None:
        """One text in its box; None for an illegible one whose words are asked for."""
        assert isinstance(self._params, CocoTextParams)
        data, ask = row.data, self._params.ask
        image = self._images.get(str(required(data, "image_id")))
        if image is None:
            raise BadRecord("missing-image", f"no image has the id {data['image_id']!r}")
        if self.other_split(image.get("set")):
            return None
        answer = optional_field(data, "utf8_string") if ask == "text" else full_field(data, ask)
        if ask == "text" and not answer:
            return None
        medium = replace(self.image_named(image), box=corners(data.get("bbox")))
        return Item(str(data["key"]), (Turn("", answer),), (medium,), options=self.OPTIONS[ask])


class SnliVe(AnnotationSource):
    """SNLI-VE's JSON lines or e-SNLI-VE's CSV: does the image entail the hypothesis? An explanation becomes a tag.

    Rows without a label (``-``: annotators disagreed) are left out.
    """

    adapter: ClassVar[str] = "snli-ve"
    dataset: ClassVar[str] = "e-snli-ve"
    image: ClassVar[str] = "{stem}.jpg|{stem}"

    def rows(self) -> Iterator[Row]:
        """The hypotheses."""
        return records(self._annotations)

    def item(self, row: Row) -> Item | None:
        """A hypothesis and its label; a human's reason, if there is one, is a tag."""
        data = row.data
        label = full_field(data, "gold_label")
        if label == "-":
            return None
        if label not in ENTAILMENT:
            raise BadRecord("bad-option", f"gold_label is {label!r}")
        named = next((one for name in ("Flickr30K_ID", "Flickr30kID", "Flikr30kID") if (one := data.get(name))), None)
        stem = record_id(required({"Flickr30K_ID": named}, "Flickr30K_ID")).removesuffix(".jpg")
        hypothesis = full_field(data, "sentence2" if data.get("sentence2") else "hypothesis")
        why = optional_field(data, "explanation_1" if data.get("explanation_1") else "explanation")
        return Item(
            "",
            (Turn(hypothesis, label),),
            (self.image_named({"stem": stem}),),
            options=ENTAILMENT,
            tags=(f"explanation:{why}",) if why else (),
        )


class MochegParams(AdapterParams):
    """Parameters of Mocheg. ``annotations`` is ``Corpus2.csv``."""

    images_of_claims: str | None = None
    """``img_evidence_qrels.csv``, which says which images are evidence for which claim."""
    evidence: int = Field(default=2, ge=0)
    """At most so many pieces of text evidence stand under the claim."""


class Mocheg(AnnotationSource):
    """Mocheg: is the claim supported or refuted by images and text, or is there not enough information (NEI)?

    Claims without an image are left out.
    """

    Params: ClassVar[type[MochegParams]] = MochegParams
    adapter: ClassVar[str] = "mocheg"
    dataset: ClassVar[str] = "mocheg"
    extra_files: ClassVar[tuple[str, ...]] = ("images_of_claims",)

    def rows(self) -> Iterator[Row]:
        """The claims, each with all of its evidence, which the file has on lines of its own."""
        claims: dict[str, Row] = {}
        for row in csv_rows(self._annotations):
            number = row.data.get("claim_id")
            if row.error is not None or not number:
                yield Row(row.place, row.data, row.error or BadRecord("missing-field", "claim_id"))
                continue
            known = claims.setdefault(str(number), Row(row.place, {**row.data, "evidence": []}))
            known.data["evidence"].append(row.data.get("Evidence") or "")
        yield from claims.values()

    @cached_property
    def _images(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in csv_rows(self.path("images_of_claims")):
            if row.error is None and row.data.get("RELEVANCY") == "1":
                found.setdefault(full_field(row.data, "TOPIC"), []).append(full_field(row.data, "DOCUMENT#"))
        return found

    def item(self, row: Row) -> Item | None:
        """A claim with its images and its first pieces of evidence."""
        assert isinstance(self._params, MochegParams)
        key = full_field(row.data, "claim_id")
        images = self._images.get(key)
        if not images:
            return None
        told = [_EVIDENCE.sub(" ", re.sub(r"<[^>]*>", " ", one)).strip() for one in row.data["evidence"]]
        shown = [text(one, "Evidence") for one in told if one][: self._params.evidence]
        turn = Turn("\n".join([full_field(row.data, "Claim"), *shown]), full_field(row.data, "cleaned_truthfulness"))
        return Item(key, (turn,), tuple(Medium(name) for name in images), options=VERDICTS)


class QualityParams(AdapterParams):
    """Parameters of image quality."""

    worst: float | None = None
    """The score of the worst picture on the database's scale; the lowest in the file if left out, or the highest in
    the tables that are known to count differences (LIVE, LIVE_MD, CSIQ, A57, MDID2013)."""
    best: float | None = None
    """That of the best; below ``worst`` where a high score means a bad picture (DMOS)."""


class ImageQuality(AnnotationSource):
    """Image quality: the mean opinion score as one of five grades, each a fifth of the database's scale."""

    Params: ClassVar[type[QualityParams]] = QualityParams
    adapter: ClassVar[str] = "image-quality"
    dataset: ClassVar[str] = "iqa"
    image: ClassVar[str] = "{dis_img_path}"

    def rows(self) -> Iterator[Row]:
        """The pictures; the tables are CSV, whatever their ending."""
        return csv_rows(self._annotations)

    @cached_property
    def _scale(self) -> tuple[float, float]:
        assert isinstance(self._params, QualityParams)
        scores = [_number(row.data.get("score")) for row in self.rows() if row.error is None]
        known = [one for one in scores if one is not None]
        if not known:
            raise UserError("no line has a score", "set `annotations` to a table with `score`",
                            place=str(self._annotations))  # fmt: skip
        lowest, highest = min(known), max(known)
        ends = (highest, lowest) if self._annotations.stem in DIFFERENCES else (lowest, highest)
        worst = ends[0] if self._params.worst is None else self._params.worst
        best = ends[1] if self._params.best is None else self._params.best
        if worst == best:
            raise UserError("all pictures have one score", "set `worst` and `best`", place=str(self._annotations))
        return worst, best

    def item(self, row: Row) -> Item:
        """A picture and its grade; the score itself is a tag."""
        score = _number(required(row.data, "score"))
        if score is None:
            raise BadRecord("wrong-type", f"score is {row.data['score']!r}, not a number")
        worst, best = self._scale
        share = (score - worst) / (best - worst)
        grade = QUALITY[min(4, max(0, int(share * 5)))]
        return Item(
            "",
            (Turn("", grade),),
            (self.image_named(row.data),),
            options=QUALITY,
            tags=(f"score:{said(score, 'score')}",),
        )


def _number(value: object) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if abs(found) != float("inf") and found == found else None
