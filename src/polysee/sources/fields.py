"""Typed reading of untrusted records: each function returns a checked value or raises `BadRecord`."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from polysee.media.decode import MAX_IMAGE_BYTES
from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import IMAGE_MARK, Turn
from polysee.sources.base import MediaBlob
from polysee.sources.rows import unreadable
from polysee.store.fingerprint import hash_file
from polysee.text.languages import canonical, is_known, language
from polysee.text.normalise import nfc

MAX_VIDEO_BYTES = 4 * 2**30
"""As `polysee.media.frames` has it, whose import needs PyAV."""

USER_ROLES = frozenset({"human", "user"})
ANSWER_ROLES = frozenset({"gpt", "assistant"})
SYSTEM_ROLES = frozenset({"system"})


def _known(tag: str) -> str:
    if not is_known(tag):
        try:
            language(tag)
        except UserError as error:
            raise ValueError(f"{error.cause}; {error.fix}") from None
    return tag


LanguageTag = Annotated[str, AfterValidator(_known)]
"""A parameter that must be a known BCP-47 tag in canonical case."""


def text(value: object, name: str) -> str:
    """``value`` as NFC text without white space at its ends; it may be empty."""
    return nfc(_exact(value, name)).strip()


def field(data: Mapping[str, Any], name: str) -> str:
    """The text of a field that must be there. Raises `BadRecord` with ``missing-field`` or ``wrong-type``."""
    if data.get(name) is None:
        raise BadRecord("missing-field", name)
    return text(data[name], name)


def optional_field(data: Mapping[str, Any], name: str) -> str:
    """The text of a field, or "" where it is absent or null."""
    return "" if data.get(name) is None else text(data[name], name)


def full_field(data: Mapping[str, Any], name: str) -> str:
    """The text of a field that must be there and not be empty (``empty-field``)."""
    found = field(data, name)
    if not found:
        raise BadRecord("empty-field", name)
    return found


def record_id(value: object) -> str:
    """An id as text. Whole floats below 2**53 count as integers; larger ones have already lost digits (``bad-id``)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRecord("bad-id", f"id is {_kind(value)}")
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= 2**53:
            raise BadRecord(
                "bad-id", f"id {value!r} is a floating-point number that cannot be told from its neighbours"
            )
        value = int(value)
    found = text(str(value), "id")
    if not found:
        raise BadRecord("bad-id", "id is empty")
    return found


def language_tag(value: object) -> str:
    """A known tag; a loose one is mended (``pt_br``, ``zho_Hans``). Raises `BadRecord` (``unknown-language``)."""
    loose = text(value, "language")
    if is_known(loose):
        return loose
    mended = canonical(loose)
    if mended is None:
        raise BadRecord("unknown-language", f"{loose!r} is no language tag")
    return mended


def image_file(folder: Path, name: object) -> MediaBlob:
    """The bytes of an image file below ``folder``, of which links and ``..`` may not lead out (``path-escape``)."""
    return MediaBlob(_file_bytes(folder, name, "image", MAX_IMAGE_BYTES), place=str(name))


def _file_bytes(folder: Path, name: object, kind: str, cap: int) -> bytes:
    relative = _exact(name, kind)  # not NFC: a file is called what it is called
    path = safe_path(folder, relative)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Opening a named pipe would wait for ever.
            raise BadRecord(f"unreadable-{kind}", f"{relative} is no regular file")
        if status.st_size > cap:
            raise BadRecord("too-many-bytes", f"{relative}: {status.st_size:,} bytes; the cap is {cap:,}")
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BadRecord(f"missing-{kind}", relative) from None
    except OSError as error:
        raise BadRecord(f"unreadable-{kind}", f"{relative}: {error.strerror}") from None
    return image_bytes(data, relative).data


def video_file(folder: Path, name: object) -> MediaBlob:
    """As `image_file`, of a video."""
    return MediaBlob(_file_bytes(folder, name, "video", MAX_VIDEO_BYTES), "video", str(name))


def image_bytes(data: bytes, place: str) -> MediaBlob:
    """A blob of these bytes, which must be some (``zero-byte-file``). Whether they are an image is seen at ingest."""
    if not data:
        raise BadRecord("zero-byte-file", f"{place} has no bytes")
    return MediaBlob(data=data, place=place)


def safe_path(folder: Path, relative: str) -> Path:
    """``folder / relative`` with links followed.

    Raises `BadRecord`: ``path-escape``, ``bad-path``, ``remote-image`` (an address), ``empty-field``.
    """
    if not relative:
        raise BadRecord("empty-field", "image")
    if "://" in relative:
        raise BadRecord("remote-image", f"{relative}: links are not fetched")
    try:
        path = (folder / relative).resolve()
    except (OSError, ValueError, RuntimeError):
        raise BadRecord("bad-path", repr(relative)) from None
    if not path.is_relative_to(folder.resolve()):
        raise BadRecord("path-escape", f"{relative!r} leads outside of the image folder")
    return path


def dialogue(messages: Sequence[tuple[str, str]]) -> tuple[str, tuple[Turn, ...]]:
    """System text and turns of (role, text) messages: user and assistant in alternation, the user first.

    Raises `BadRecord`: ``unknown-role``, ``turn-order``, ``odd-turns``, ``empty-answer``, ``empty-question``,
    ``empty-field`` (no message at all).
    """
    if not messages:
        raise BadRecord("empty-field", "there is no message")
    system = ""
    if messages[0][0] in SYSTEM_ROLES:
        system, messages = messages[0][1], messages[1:]
    turns: list[Turn] = []
    for number, (role, said) in enumerate(messages):
        if role not in USER_ROLES | ANSWER_ROLES | SYSTEM_ROLES:
            raise BadRecord("unknown-role", repr(role))
        if role not in (ANSWER_ROLES if number % 2 else USER_ROLES):
            raise BadRecord("turn-order", f"message {number + 1} is by {role!r}")
        if number % 2:
            turns.append(Turn(messages[number - 1][1], said))
    if len(messages) % 2 or not turns:
        raise BadRecord("odd-turns", f"{len(messages)} messages do not make whole turns")
    for number, turn in enumerate(turns):
        if not turn.output:
            raise BadRecord("empty-answer", f"turn {number + 1}")
        if not turn.input and number:
            raise BadRecord("empty-question", f"turn {number + 1}")
    return system, tuple(turns)


def place_images(turns: tuple[Turn, ...], count: int) -> tuple[Turn, ...]:
    """Turns whose marks agree with ``count`` images; marks that merely stand before all text are left out.

    Raises `BadRecord`: ``missing-image`` (more marks than images), ``unused-image`` (fewer, but some),
    ``image-mark-in-answer``, ``empty-question`` (neither text nor image).
    """
    if any(IMAGE_MARK in turn.output for turn in turns):
        raise BadRecord("image-mark-in-answer", f"an answer holds {IMAGE_MARK}")
    marks = sum(turn.input.count(IMAGE_MARK) for turn in turns)
    if marks > count:
        raise BadRecord("missing-image", f"{marks} marks for {count} images")
    if 0 < marks < count:
        raise BadRecord("unused-image", f"{count} images for {marks} marks")
    if not turns[0].input and not count:
        raise BadRecord("empty-question", "turn 1")
    rest = turns[0].input
    for _ in range(marks):
        if not rest.startswith(IMAGE_MARK):
            return turns
        rest = rest.removeprefix(IMAGE_MARK).lstrip()
    return (Turn(rest, turns[0].output), *turns[1:])


def files_below(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files with one of these endings anywhere below ``folder``, by their paths relative to it, in that order.

    Raises `UserError` for a link that leads nowhere and for what is no regular file.
    """
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.suffix in suffixes and not p.is_dir()}
    for path in found.values():
        if not path.is_file():
            raise UserError("this is no file that can be read", "mend the link, or move it away", place=str(path))
    return dict(sorted(found.items()))


def data_hash(path: Path) -> str:
    """SHA-256 of a dataset's file. Raises `UserError` if it cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise unreadable(path, error) from error


def hash_files(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over the sorted names and the contents of files below ``folder``; absent ones count as absent.

    Every byte is read once (about 1 GB/s where the processor has SHA instructions): the price of seeing a changed one.
    """
    total = hashlib.sha256()
    for name in sorted(set(names)):
        total.update(f"{name}\0{_file_hash(folder, name)}\0".encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _file_hash(folder: Path, name: str) -> str:
    try:
        path = safe_path(folder, name)
        return hash_file(path) if path.is_file() else "absent"
    except (BadRecord, OSError, ValueError):
        return "absent"


def _exact(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise BadRecord("wrong-type", f"{name} is {_kind(value)}, not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRecord("invalid-unicode", f"{name} holds bytes or surrogates that are no characters") from None
    return value


def _kind(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
