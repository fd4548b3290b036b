"""Worse pictures under test: a question's pictures at one level of one distortion, made when they are looked at.

Until then such a picture is its original's hash with the distortion's name behind it, so that one picture at one level
is one medium in all languages, its features are computed once, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from polysee.media.distort import KINDS, LEVELS, distort_bytes, variant_name
from polysee.schema.sample import MediaRef

VARIANTS = frozenset(variant_name(kind, level) for kind in KINDS for level in LEVELS)
"""What answers about worse pictures are called in ``variant``."""

_SIGN = "/"


def distorted(ref: MediaRef, kind: str, level: int) -> MediaRef:
    """A reference to the picture of ``ref``, of the same size, at a level of a distortion."""
    return replace(ref, sha256=f"{ref.sha256}{_SIGN}{kind}{_SIGN}{level}")


def read_medium(name: str, read: Callable[[str], bytes]) -> bytes:
    """The bytes of a medium by its hash, as ``read`` has them; of a worse picture, its PNG. One original and level give
    the same pixels everywhere. Raises what ``read`` raises, and `BadRecord` for a picture that cannot be decoded."""
    original, *how = name.split(_SIGN)
    data = read(original)
    return distort_bytes(data, how[0], int(how[1]), key=original) if how else data


def can_be_worse(media: Sequence[MediaRef]) -> bool:
    """Whether a question's media can be distorted: pictures, and no video."""
    return bool(media) and all(ref.kind != "video" for ref in media)
