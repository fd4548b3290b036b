"""Folders of pictures: one folder a class, or pictures beside masks."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from polysee.media.decode import decode
from polysee.schema.errors import BadRecord, UserError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
TRAIN = "train"
TEST = ("test", "val", "validation")
IGNORED = 255
"""The value of a mask's pixels that belong to no class."""

_TEST_SHARE = 5
"""One picture of so many is tested where the folder has no split of its own."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file, and the number of its class."""

    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """``classes``: names by number."""

    classes: tuple[str, ...]
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class MaskedPicture:
    """A picture's file and that of its mask: one byte a pixel, a class's number or `IGNORED`."""

    path: Path
    mask: Path


@dataclass(frozen=True, slots=True)
class MaskFolder:
    """Pictures with masks. Classes are numbered from 0."""

    train: tuple[MaskedPicture, ...]
    test: tuple[MaskedPicture, ...]


def read_class_folder(folder: Path, *, limit: int | None = None) -> ClassFolder:
    """``train/CLASS/…`` and ``test/CLASS/…`` (or ``val``), or ``CLASS/…``, of which then every fifth picture is tested.

    Which ones depends on their bytes alone: a picture keeps its side whatever it is called. ``limit``: most pictures
    of each class and split, in the order of their names. Raises `UserError` for fewer than two classes, or a class
    that one side lacks.
    """
    test = _test_folder(folder)
    if test is None:
        both = _by_class(folder)
        sides = {name: _split(paths) for name, paths in both.items()}
        parts = [{name: side[index] for name, side in sides.items()} for index in (0, 1)]
    else:
        parts = [_by_class(folder / TRAIN), _by_class(test)]
    classes = tuple(sorted(set(parts[0]) | set(parts[1])))
    if len(classes) < 2:
        raise UserError("a probe needs two classes or more", "give each class a folder of its own", place=str(folder))
    for name in classes:
        if not parts[0].get(name) or not parts[1].get(name):
            fix = "add pictures, or make the folders train and test yourself"
            raise UserError(f"the class {name!r} has no pictures to train on or none to test", fix, place=str(folder))
    train, tested = (
        tuple(Picture(path, label) for label, name in enumerate(classes) for path in part[name][:limit])
        for part in parts
    )
    return ClassFolder(classes, train, tested)


def read_mask_folder(folder: Path, *, limit: int | None = None) -> MaskFolder:
    """``train/images/NAME`` with ``train/masks/NAME.png``, and the same in ``test`` (or ``val``).

    ``limit``: most pictures of each side. Raises `UserError` where a side is empty or a mask is missing.
    """
    test = _test_folder(folder)
    if test is None:
        raise UserError("no pictures with masks to test", "make folders train and test, each with images and masks")
    return MaskFolder(tuple(_masked(folder / TRAIN))[:limit], tuple(_masked(test))[:limit])


def open_picture(path: Path) -> Image.Image:
    """RGB pixels of a file. Raises `UserError` where it cannot be read."""
    try:
        return decode(path.read_bytes())
    except (OSError, BadRecord) as error:
        raise UserError(
            f"the picture cannot be read ({error})", "remove it, or save it anew", place=str(path)
        ) from None


def open_mask(path: Path, side: int) -> NDArray[np.int64]:
    """A mask as class numbers (side, side), each that of the nearest pixel. Raises `UserError` for colour pictures."""
    with Image.open(path) as opened:
        if opened.mode not in ("L", "P", "1"):
            cause = f"a mask has one byte a pixel, this one is {opened.mode}"
            raise UserError(cause, "save class numbers as a grey or palette PNG", place=str(path))
        small = opened.resize((side, side), Image.Resampling.NEAREST)
        return np.asarray(small, dtype=np.uint8).astype(np.int64)


def _test_folder(folder: Path) -> Path | None:
    found = [folder / name for name in TEST if (folder / name).is_dir()]
    return found[0] if found and (folder / TRAIN).is_dir() else None


def _by_class(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise UserError("there is no such folder", "name a folder that has one folder a class", place=str(folder))
    return {path.name: _pictures(path) for path in sorted(folder.iterdir()) if path.is_dir() and _pictures(path)}


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.casefold() in SUFFIXES and path.is_file())


def _split(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Equal pictures stay on one side."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        groups[hashlib.sha256(path.read_bytes()).hexdigest()].append(path)
    order = [groups[key] for key in sorted(groups)]
    tested = {path for group in order[::_TEST_SHARE] for path in group} if len(order) > 1 else set()
    return [path for path in paths if path not in tested], [path for path in paths if path in tested]


def _masked(folder: Path) -> Iterator[MaskedPicture]:
    pictures = _pictures(folder / "images") if (folder / "images").is_dir() else []
    if not pictures:
        raise UserError("there are no pictures here", "put pictures in images and masks in masks", place=str(folder))
    for path in pictures:
        mask = folder / "masks" / f"{path.stem}.png"
        if not mask.is_file():
            raise UserError("a picture has no mask", f"write {mask.name} into {mask.parent}", place=str(path))
        yield MaskedPicture(path, mask)
