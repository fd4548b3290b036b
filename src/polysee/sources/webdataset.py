"""WebDataset shards that ``polysee export --format webdataset`` wrote, read member by member as they stream by."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

from polysee.media.decode import MAX_IMAGE_BYTES
from polysee.schema.errors import BadRecord
from polysee.sources.exported import ExportedParams, ExportedSample, ExportedSource, parse
from polysee.sources.fields import MAX_VIDEO_BYTES
from polysee.sources.rows import unreadable
from polysee.store.exports.filenames import IMAGE_SUFFIXES, VIDEO_SUFFIXES

_MAX_JSON_BYTES = 64 * 2**20
_MAX_MEMBERS = 10_000
_BLOCK = 512
_CAPS = {
    "json": _MAX_JSON_BYTES,
    **dict.fromkeys(IMAGE_SUFFIXES, MAX_IMAGE_BYTES),
    **dict.fromkeys(VIDEO_SUFFIXES, MAX_VIDEO_BYTES),
}


class WebDatasetParams(ExportedParams):
    """Parameters of the WebDataset source."""


@dataclass
class _Group:
    """The neighbouring members of one key: their bytes by ending, or why they cannot be used."""

    key: str
    members: dict[str, bytes] = field(default_factory=dict)
    error: BadRecord | None = None


class WebDataset(ExportedSource[_Group]):
    """Tar shards of JSON and media. No member is ever extracted to a file; what is neither of the two is passed by.

    The end of a damaged shard is a bad sample too.
    """

    Params: ClassVar[type[WebDatasetParams]] = WebDatasetParams
    ending: ClassVar[str] = ".tar"
    kind: ClassVar[str] = "tar file"

    def entries(self, path: Path, shard: str) -> Iterator[tuple[str, _Group]]:
        """Neighbouring members of one key."""
        return ((group.key, group) for group in _groups(path))

    def sample(self, entry: _Group) -> ExportedSample:
        """The fields in the group's JSON."""
        if entry.error is not None:
            raise entry.error
        if "json" not in entry.members:
            raise BadRecord("missing-field", "the sample has no JSON")
        try:
            data = json.loads(entry.members["json"].decode())
        except UnicodeDecodeError as error:
            raise BadRecord("invalid-utf8", f"byte {error.start + 1} of the JSON") from None
        except (ValueError, RecursionError) as error:
            raise BadRecord("bad-json", str(error)) from None
        return parse(data)

    def blobs(self, sample: ExportedSample, entry: _Group) -> list[bytes]:
        """The members that the media name."""
        missing = [medium.file for medium in sample.media if medium.file not in entry.members]
        if missing:
            raise BadRecord("missing-image", f"the sample has no member {missing[0]!r}")
        return [entry.members[medium.file] for medium in sample.media]


def _groups(path: Path) -> Iterator[_Group]:
    """Neighbouring members with one key (all before the first dot of the name); the bytes of one group are held."""
    group: _Group | None = None
    try:
        for name, data in _members(path):
            key, _, ending = name.rpartition("/")[2].partition(".")
            if group is not None and group.key != key:
                yield group
                group = None
            group = group or _Group(key)
            _add(group, ending, data)
    except OSError as error:
        raise unreadable(path, error) from error
    except BadRecord as bad:
        if group is not None:
            yield _Group(group.key, error=BadRecord(bad.reason, f"the shard ends within it: {bad.detail}"))
        else:
            yield _Group("end", error=bad)
        return
    if group is not None:
        yield group


def _add(group: _Group, ending: str, data: bytes | BadRecord | None) -> None:
    if isinstance(data, BadRecord):
        group.error = group.error or data
    elif data is not None and ending in group.members:
        group.error = group.error or BadRecord("duplicate-member", f"there are two members {ending!r}")
    elif data is not None:
        group.members[ending] = data
    if len(group.members) > _MAX_MEMBERS:
        group.error = BadRecord("too-many-members", f"more than {_MAX_MEMBERS:,}")
    if group.error is not None:
        group.members.clear()


def _members(path: Path) -> Iterator[tuple[str, bytes | BadRecord | None]]:
    """Names and bytes (`None`: a member of no use, which is not read). Raises `BadRecord` where the archive breaks."""
    with path.open("rb") as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r:", format=tarfile.USTAR_FORMAT) as tar:
                while (member := tar.next()) is not None:
                    # The library keeps a list of all that went by.
                    tar.members.clear()  # type: ignore[attr-defined]
                    yield member.name, _bytes(tar, member)
                end = tar.offset
        except tarfile.TarError as error:
            raise BadRecord("corrupt-archive", str(error)) from None
        _check_end(stream, end, path.stat().st_size)


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | BadRecord | None:
    cap = _CAPS.get(member.name.rpartition(".")[2])
    if cap is None:
        return None
    if not member.isreg() or member.issparse():
        return BadRecord("not-a-file", f"{member.name} is a link, a device or sparse")
    if member.size > cap:
        return BadRecord("too-many-bytes", f"{member.name}: {member.size:,} bytes; the cap is {cap:,}")
    content = tar.extractfile(member)
    assert content is not None
    data = content.read()
    if len(data) != member.size:
        raise BadRecord("corrupt-archive", f"{member.name} is cut short")
    return data


def _check_end(stream: BinaryIO, end: int, size: int) -> None:
    """Behind the last member there must be zeros, and some: tarfile takes damage there for an end."""
    stream.seek(end)
    rest = 0
    while chunk := stream.read(2**20):
        rest += len(chunk)
        if chunk.strip(b"\0"):
            raise BadRecord("corrupt-archive", f"what follows byte {end:,} could not be read")
    if rest < _BLOCK:
        raise BadRecord("corrupt-archive", f"the shard ends after {size:,} bytes without an end mark")
