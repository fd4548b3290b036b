"""WebDataset shards that ``polysee export --format webdataset`` wrote, read member by member as they stream by."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, ClassVar

from polysee.media.decode import MAX_IMAGE_BYTES
from polysee.schema.errors import BadRecord, UserError
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.exported import ExportedParams, ExportedSample, key_of, parse
from polysee.sources.fields import MAX_VIDEO_BYTES, data_hash, files_below
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


class WebDataset:
    """Tar shards of JSON and media. No member is ever extracted to a file; what is neither of the two is passed by."""

    Params: ClassVar[type[WebDatasetParams]] = WebDatasetParams
    version: ClassVar[int] = 1

    def __init__(self, params: WebDatasetParams, *, seed: int = 0) -> None:
        self.licence = params.licence
        path = Path(params.path).expanduser()
        self._files = {path.name: path} if path.is_file() else files_below(path, (".tar",))
        if not self._files:
            raise UserError("there is no tar file", "set `path` to a shard, or to a folder of them", place=params.path)

    def shards(self) -> Sequence[str]:
        """The files' paths relative to the folder."""
        return list(self._files)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the files, in the order of the shards."""
        return [data_hash(path) for path in self._files.values()]

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The samples of one shard, in order; a bad one becomes a `Reject`, and so does the end of a damaged shard."""
        seen: set[str] = set()
        for group in _groups(self._files[shard]):
            key, language, place = f"{shard}:{group.key}", "und", f"{shard}:{group.key}"
            try:
                if group.error is not None:
                    raise group.error
                sample = _sample(group)
                key, language = key_of(sample, seen), sample.language
                yield sample.record(key, _blobs(sample, group), place)
            except BadRecord as bad:
                yield Reject(key, bad.reason, f"{place}: {bad.detail}", language)


def _sample(group: _Group) -> ExportedSample:
    if "json" not in group.members:
        raise BadRecord("missing-field", "the sample has no JSON")
    try:
        data = json.loads(group.members["json"].decode())
    except UnicodeDecodeError as error:
        raise BadRecord("invalid-utf8", f"byte {error.start + 1} of the JSON") from None
    except (ValueError, RecursionError) as error:
        raise BadRecord("bad-json", str(error)) from None
    return parse(data)


def _blobs(sample: ExportedSample, group: _Group) -> list[bytes]:
    missing = [medium.file for medium in sample.media if medium.file not in group.members]
    if missing:
        raise BadRecord("missing-image", f"the sample has no member {missing[0]!r}")
    return [group.members[medium.file] for medium in sample.media]


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
