"""Features on disk: whole or built anew, and of the region that is meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polysee.schema.sample import MediaRef
from polysee.training.features import FeatureCache
from tiny_chain import Planned


@pytest.fixture(scope="module")
def tower(planned: Planned) -> Any:
    return planned.model().model.vision_tower


@pytest.fixture(scope="module")
def pictures(planned: Planned) -> list[MediaRef]:
    found = {m.sha256: m for s in planned.samples().values() for m in s.media if m.kind == "image"}
    return list(found.values())[:3]


def build(planned: Planned, tower: Any, folder: Path, media: list[MediaRef]) -> tuple[FeatureCache, list[int]]:
    """The cache, and how far it reported to have computed."""
    done: list[int] = []
    cache = FeatureCache(folder, planned.policy(), tower, "fp32")
    cache.build(media, planned.store.media_table().read_many, lambda count, total: done.append(count))
    return cache, done


@pytest.mark.parametrize("damage", ["zeros", "short", "data gone", "mark gone", "mark cut"])
def test_damaged_features_are_computed_anew(
    planned: Planned, tower: Any, pictures: list[MediaRef], tmp_path: Path, damage: str
) -> None:
    cache, done = build(planned, tower, tmp_path, pictures)
    assert done == [3]
    whole = [cache.read(picture).copy() for picture in pictures]
    assert np.abs(whole[0]).max() > 0
    _, done = build(planned, tower, tmp_path, pictures)
    assert done == []
    data, mark = tmp_path / "features.bin", tmp_path / "features.json"
    match damage:
        case "zeros":
            data.write_bytes(bytes(data.stat().st_size))
        case "short":
            data.write_bytes(data.read_bytes()[:-2])
        case "data gone":
            data.unlink()
        case "mark gone":
            mark.unlink()
        case _:
            mark.write_bytes(mark.read_bytes()[:20])
    cache, done = build(planned, tower, tmp_path, pictures)
    assert done == [3]
    assert all(np.array_equal(cache.read(m), old) for m, old in zip(pictures, whole, strict=True))


def test_a_region_has_features_of_its_own(
    planned: Planned, tower: Any, pictures: list[MediaRef], tmp_path: Path
) -> None:
    picture = pictures[0]
    part = replace(picture, box=(0.0, 0.0, picture.width / 2, picture.height / 2))
    cache, _ = build(planned, tower, tmp_path, [picture, part])
    assert not np.array_equal(cache.read(picture)[0], cache.read(part)[0])


def test_a_stage_without_pictures_has_no_features(planned: Planned, tower: Any, tmp_path: Path) -> None:
    cache, done = build(planned, tower, tmp_path, [])
    assert done == []
    with pytest.raises(KeyError):
        cache.read(MediaRef("0" * 64, "image", 32, 32))
