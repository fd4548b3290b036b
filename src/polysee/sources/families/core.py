"""What the adapters of public annotation formats share: an annotation in common terms, its media, its catalogue entry.

An adapter is a class with two methods: `rows` streams the raw annotations of its files, `item` says in common terms
what one of them asks and answers. Media, keys, references, licences, rejects and fingerprints are done here once.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from polysee.schema.errors import BadRecord, MissingData, UserError
from polysee.schema.sample import MediaKind, Turn
from polysee.sources import catalogue
from polysee.sources.base import EVALUATION_ONLY, Expected, MediaBlob, Params, Reject, SourceRecord
from polysee.sources.fields import LanguageTag, data_hash, hash_files, image_file, place_images, record_id
from polysee.sources.rows import Row

_SLOT = re.compile(r"\{(\w+)(?::(\d+))?\}")
_PACKED = frozenset({".gz", ".zip", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".zst"})


class AdapterParams(Params):
    """What all adapters of public formats take. The catalogue says task, language and licence of the dataset."""

    annotations: str
    """The dataset's annotation file (for some formats a folder), as its makers publish it."""
    images: str | None = None
    """The folder of its images or videos; that of the annotations if left out."""
    dataset: str | None = None
    """Its name in the catalogue (`polysee catalogue`); the adapter's own dataset if left out."""
    language: LanguageTag | None = None
    """Needed where the catalogue names several languages, or none."""
    split: str = "train"
    """The split that samples get; for a dataset that the catalogue holds out, any but ``train``."""
    file_split: str | None = None
    """Only annotations of this one of the file's own splits, where a file holds several."""
    use_held_out: bool = False
    """Train on a dataset that a paper holds out for evaluation all the same."""
    image_name: str | None = None
    """How an annotation names its image file, where yours are called otherwise: ``{image_id:012}.jpg``, with
    ``|`` between alternatives."""
    licence: str | None = None
    task: str | None = None
    most: int | None = Field(default=None, ge=1)
    """Use no more than so many of the annotations, drawn over the whole file by the seed."""
    parts: int = Field(default=1, ge=1, le=4096)
    """Into how many shards to deal the annotations, so that as many workers read their media."""

    @model_validator(mode="after")
    def _fits_the_catalogue(self) -> AdapterParams:
        if self.dataset is not None:
            try:
                check_use(catalogue.entry(self.dataset), self)
            except UserError as error:
                raise ValueError(f"dataset {error.cause}; {error.fix}") from None
        return self


@dataclass(frozen=True, slots=True)
class Medium:
    """A file that an annotation names. ``name``: relative to the folder of images; alternatives stand behind ``|``.

    ``box``: x1, y1, x2, y2 in pixels; ``span``: start and end in seconds.
    """

    name: str
    box: tuple[float, float, float, float] | None = None
    span: tuple[float, float] | None = None
    kind: MediaKind = "image"

    @property
    def names(self) -> list[str]:
        return self.name.split("|")


@dataclass(frozen=True, slots=True)
class Item:
    """One annotation in common terms, before its media are read.

    ``key``: its id in the dataset; where that has none, "" for a key made of its number. ``references``: all answers
    that the dataset gives to the first turn, the chosen one among them. ``language``: where the annotation, not the
    dataset, decides it.
    """

    key: str
    turns: tuple[Turn, ...]
    media: tuple[Medium | MediaBlob, ...] = ()
    options: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    language: str = ""


class AnnotationSource(ABC):
    """A public annotation format. ``dataset``: the catalogue entry that it reads unless told otherwise."""

    Params: ClassVar[type[AdapterParams]] = AdapterParams
    version: ClassVar[int] = 2
    adapter: ClassVar[str]
    dataset: ClassVar[str]
    image: ClassVar[str] = ""
    """How annotations name their image files; `AdapterParams.image_name` overrides it."""
    extra_files: ClassVar[tuple[str, ...]] = ()
    """Names of parameters that hold paths of further annotation files."""

    def __init__(self, params: AdapterParams, *, seed: int = 0) -> None:
        self._params = params
        self._seed = seed
        self._entry = catalogue.entry(params.dataset or self.dataset)
        check_adapter(self._entry, self.adapter)
        check_use(self._entry, params)
        self.licence = params.licence or self._entry.licence
        self._annotations = existing(params.annotations, "annotations")
        self._folder = self._image_folder()

    @classmethod
    def expected(cls, params: AdapterParams) -> Expected:
        """What the catalogue says of the dataset: ``most`` rows, or else its largest number for the split."""
        found = catalogue.entry(params.dataset or cls.dataset)
        sizes = [size for row in found.rows if (size := _size(row, params.split)) is not None]
        rows = params.most if params.most is not None else max(sizes, default=None)
        languages = (params.language,) if params.language is not None else found.languages
        licence = params.licence or found.licence
        return Expected(rows, licence, params.task or found.task, languages, params.split, found.name)

    def estimate(self) -> int:
        """Annotations, before anything runs. An upper bound: other splits and bad records are among them."""
        count = sum(1 for _ in self.rows())
        return count if self._params.most is None else min(count, self._params.most)

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """All raw annotations, in order, with the files' faults as rows with errors."""

    @abstractmethod
    def item(self, row: Row) -> Item | None:
        """What an annotation means; None if it belongs to another split. Raises `BadRecord`."""

    def shards(self) -> Sequence[str]:
        """As many as ``parts`` says; each has every ``parts``-th annotation."""
        return [f"{number}/{self._params.parts}" for number in range(self._params.parts)]

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the annotation files, of the catalogue entry, and one over all media that are named."""
        rows = (row for number, row in enumerate(self.rows(), 1) if self._is_drawn(number))
        names = {name for row in rows for name in self._names(row)}
        entry = hashlib.sha256(self._entry.model_dump_json(exclude={"rows"}).encode()).hexdigest()
        return [*(data_hash(path) for path in self.files()), entry, hash_files(self._folder, names)]

    def files(self) -> Sequence[Path]:
        """The annotation files."""
        extra = [value for name in self.extra_files if (value := getattr(self._params, name)) is not None]
        found = [self._annotations, *(existing(one, name) for one, name in zip(extra, self.extra_files, strict=False))]
        return [path for one in found for path in ([one] if one.is_file() else sorted(one.rglob("*.json")))]

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The records of one shard, in order; a bad one becomes a `Reject` with its file and place."""
        part, seen = int(shard.partition("/")[0]), set[str]()
        for number, row in enumerate(self.rows(), 1):
            if number % self._params.parts != part:
                continue
            key = row.place
            try:
                item = self._checked(row)
                if item is None or not self._is_drawn(number):
                    continue
                key = item.key or f"record-{number}"
                if key in seen:
                    raise BadRecord("duplicate-id", repr(key))
                seen.add(key)
                yield self._record(key, item)
            except BadRecord as bad:
                detail = f"{row.place}: {bad.detail}".rstrip(": ")
                yield Reject(key, bad.reason, detail, self._language())

    @cached_property
    def _drawn(self) -> frozenset[int] | None:
        """Numbers of the annotations that ``most`` lets in (None: all); bad ones and those of other splits are none.

        The draw holds no more than ``most`` numbers in memory, however long the file is.
        """
        if self._params.most is None:
            return None
        name = self._entry.name
        usable = (number for number, row in enumerate(self.rows(), 1) if self._usable(row))

        def place(number: int) -> bytes:
            return hashlib.sha256(f"{self._seed}:{name}:{number}".encode()).digest()

        return frozenset(heapq.nsmallest(self._params.most, usable, key=place))

    def _is_drawn(self, number: int) -> bool:
        return self._drawn is None or number in self._drawn

    def _usable(self, row: Row) -> bool:
        try:
            return self._checked(row) is not None
        except BadRecord:
            return False

    def beside(self, data: Mapping[str, Any]) -> Sequence[str]:
        """Files in the folder of images, other than media, that an annotation needs."""
        return ()

    def path(self, name: str) -> Path:
        """The file that a parameter names. Raises `UserError` where it is not there or not given."""
        value = getattr(self._params, name)
        if value is None:
            raise UserError(f"the adapter {self.adapter!r} needs `{name}`", f"set `{name}` in the source's params")
        return existing(value, name)

    def image_named(self, data: Mapping[str, Any], **more: Any) -> Medium:
        """The image of an annotation whose fields fill the template of file names."""
        return Medium(fill(self._params.image_name or self.image, {**data, **more}))

    def other_split(self, own: object) -> bool:
        """Whether an annotation of the split ``own`` is to be left out, as ``file_split`` says."""
        return self._params.file_split is not None and str(own) != self._params.file_split

    def _checked(self, row: Row) -> Item | None:
        if row.error is not None:
            raise row.error
        return self.item(row)

    def _record(self, key: str, item: Item) -> SourceRecord:
        blobs = tuple(self._blob(one) for one in item.media)
        if not item.turns or not all(turn.output for turn in item.turns):
            raise BadRecord("empty-answer", "a turn has no output")
        own = item.turns[0].output
        if item.options and own not in item.options:
            raise BadRecord("bad-option", f"{own!r} is not among the options")
        given = tuple(one for one in item.references if one)
        return SourceRecord(
            key=key,
            task=self._params.task or self._entry.task,
            language=item.language or self._known_language(),
            turns=place_images(item.turns, len(blobs)),
            media=blobs,
            options=item.options,
            split=self._params.split,
            tags=(*self._origin_tags(), *item.tags),
            references=() if given == (own,) else given,
        )

    def _origin_tags(self) -> tuple[str, ...]:
        entry = self._entry
        made = () if entry.origin == "authentic" else (f"provenance:{entry.origin}",)
        return (f"dataset:{entry.name}", *made, *((EVALUATION_ONLY,) if entry.evaluation_only else ()))

    def _blob(self, medium: Medium | MediaBlob) -> MediaBlob:
        if isinstance(medium, MediaBlob):
            return medium
        blob = image_file(self._folder, self._there(medium))
        return replace(blob, kind=medium.kind, box=medium.box, span=medium.span)

    def _there(self, medium: Medium) -> str:
        """The first of a medium's names that is there, or else the first. `image_file` checks where it leads."""
        names = medium.names
        if len(names) == 1:
            return names[0]
        return next((name for name in names if os.path.exists(f"{self._folder}/{name}")), names[0])

    def _names(self, row: Row) -> Iterator[str]:
        """The files that a row names; none of a bad one, which `read` rejects."""
        try:
            item = self._checked(row)
        except BadRecord:
            return
        for medium in item.media if item is not None else ():
            if isinstance(medium, Medium):
                yield from medium.names
        yield from self.beside(row.data)

    def _language(self) -> str:
        known = self._entry.languages
        return self._params.language or (known[0] if len(known) == 1 else "und")

    def _known_language(self) -> str:
        tag = self._language()
        if tag == "und":
            raise BadRecord("no-language", f"the catalogue does not say which; set `language` for {self._entry.name!r}")
        return tag

    def _image_folder(self) -> Path:
        beside = self._annotations if self._annotations.is_dir() else self._annotations.parent
        folder = beside if self._params.images is None else Path(self._params.images).expanduser()
        if not folder.is_dir():
            fix = "set `images` to the folder with the images or videos"
            raise MissingData("there is no such folder of images", fix, place=str(folder))
        return folder


def _size(row: catalogue.TableRow, split: str) -> int | None:
    """What a table says of a split: M3IT has three columns, VisionBlocks one, all of which it trains on."""
    if split == "train":
        return row.samples if row.samples is not None else row.train
    held = [one for one in (row.val, row.test) if one is not None]
    return sum(held) if held else None


def check_use(entry: catalogue.Entry, params: AdapterParams) -> None:
    """Raises `UserError` where a dataset may not be used as the parameters say: held out, or of other languages."""
    if params.split == "train" and entry.evaluation_only:
        cause = f"{entry.name!r} is for evaluation only: {entry.note or 'its papers never train on it'}"
        raise UserError(cause, "set `split` to the name of an evaluation split, such as `evaluation`")
    if params.split == "train" and entry.held_out and not params.use_held_out:
        cause = f"{entry.name!r} is held out for evaluation by {' and '.join(entry.held_out_by)}"
        fix = "set `split: evaluation`, or `use_held_out: true` if you do not compare with what it measures"
        raise UserError(cause, fix)
    if params.language is not None and entry.languages and params.language not in entry.languages:
        cause = f"{entry.name!r} is not in {params.language!r}"
        raise UserError(cause, f"its languages are {', '.join(entry.languages)}")
    if params.language is None and len(entry.languages) != 1 and getattr(params, "language_field", None) is None:
        told = ", ".join(entry.languages) or "not told in the catalogue"
        raise UserError(f"{entry.name!r} needs a `language`", f"set `language`; its languages are {told}")


def check_adapter(entry: catalogue.Entry, adapter: str) -> None:
    """Raises `UserError` where a dataset is read by another adapter, or by none."""
    if entry.adapter == adapter:
        return
    if entry.adapter is None:
        fix = "convert it to LLaVA's or ShareGPT's JSON and write `use: llava` or `use: sharegpt`"
        raise UserError(f"polysee has no adapter for {entry.name!r}", fix)
    raise UserError(f"{entry.name!r} is not read by {adapter!r}", f"write `use: {entry.adapter}`")


def existing(path: str, name: str) -> Path:
    """``path`` with ``~`` expanded. Raises `MissingData` where nothing is there, `UserError` for a packed file."""
    found = Path(path).expanduser()
    if found.suffix.lower() in _PACKED and found.is_file():
        raise UserError(f"the file for `{name}` is packed", "unpack it first: it is read as its makers write it",
                        place=str(found))  # fmt: skip
    if not found.exists():
        fix = f"set `{name}` to the dataset's own file or folder"
        raise MissingData(f"there is no such file for `{name}`", fix, place=str(found))
    return found


def fill(template: str, data: Mapping[str, Any]) -> str:
    """``template`` with ``{field}`` and ``{field:012}`` (a number with zeros before it) filled in.

    Raises `BadRecord`: ``missing-field``, ``wrong-type``.
    """

    def value(match: re.Match[str]) -> str:
        name, width = match[1], match[2]
        found = data.get(name)
        if found is None:
            raise BadRecord("missing-field", name)
        if isinstance(found, str) and not width:
            return found
        said = record_id(found)
        if width and not said.isdigit():
            raise BadRecord("wrong-type", f"{name} is {said!r}, not a number")
        return said.zfill(int(width or 0))

    return _SLOT.sub(value, template)
