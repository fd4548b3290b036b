"""What a chat model is shown of a sample's media, and asking it about many samples at once."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TypeVar

from polysee.media.decode import decode, probe
from polysee.media.frames import sample_frames
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.services.base import Chat
from polysee.services.open import Services
from polysee.transforms.base import ReadMedia

FRAMES = 8
"""Frames shown of a video."""
_AS_THEY_ARE = ("PNG", "JPEG", "WEBP")

Item = TypeVar("Item")


def chat_of(services: Services | None, name: str) -> Chat:
    """The chat service called ``name``. Raises `UserError` where there is none."""
    if services is None:
        raise UserError(f"no service is called {name!r}", "add it to `services:` in the recipe")
    return services.chat(name)


def pictures(sample: Sample, read_media: ReadMedia, *, frames: int = FRAMES) -> tuple[bytes, ...]:
    """The sample's media as encoded pictures: as stored where they are PNG, JPEG or WebP, else as PNG; of a video up to
    ``frames`` frames. Raises `BadRecord` for a medium that cannot be decoded."""
    found: list[bytes] = []
    for ref in sample.media:
        data = read_media(ref.sha256)
        if ref.kind == "video":
            for frame in sample_frames(data, frames, span=ref.span):
                target = io.BytesIO()
                frame.save(target, "JPEG", quality=90)
                found.append(target.getvalue())
        elif probe(data).format in _AS_THEY_ARE:
            found.append(data)
        else:
            target = io.BytesIO()
            decode(data).save(target, "PNG")
            found.append(target.getvalue())
    return tuple(found)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one maybe shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
