"""Frames from videos, and videos from frames, through PyAV.

Every fault of the bytes is a `BadRecord`; its reason is one of `zero-byte-file`, `too-many-bytes`, `too-many-pixels`,
`not-a-video`, `no-video-stream`, `corrupt-video`, `truncated-video`, `empty-span`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from polysee.media.decode import to_rgb
from polysee.schema import BadRecord, MissingExtra

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_VIDEO_BYTES = 4 * 2**30
MAX_FRAME_PIXELS = 8192 * 8192
VIDEO_FORMATS: tuple[str, ...] = ("mp4", "webm", "mkv", "avi")
# FFmpeg's names. Naming the reader keeps its playlist readers out, which would open other files and addresses.
_DEMUXERS = {"mp4": "mp4", "webm": "matroska", "mkv": "matroska", "avi": "avi"}
_CRF = "18"


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """``width`` and ``height``: pixels as displayed (rotation applied, pixels taken as square). ``frames``: counted,
    not believed from the header. ``fps``: frames a second on average. ``seconds``: from the first frame's start to the
    last one's end."""

    format: str
    width: int
    height: int
    frames: int
    fps: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Packet:
    """When a frame is shown, in units of the stream's time base, and whether decoding can start there."""

    pts: int | None
    duration: int
    key: bool


def video_info(data: bytes) -> VideoInfo:
    """Reads all packets and decodes one frame. Raises `BadRecord`."""
    name = _sniff(data)
    with _opened(data, name) as (container, stream):
        packets = _packets(container, stream)
    with _opened(data, name) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise BadRecord("truncated-video", f"{name}: no frame can be decoded")
        width, height = first.width, first.height
        if first.rotation % 180 != 0:
            width, height = height, width
        base = float(stream.time_base or 0)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
    times = [p.pts for p in packets if p.pts is not None]
    seconds = 0.0
    if len(times) == len(packets):
        seconds = (max(times) + max(p.duration for p in packets if p.pts == max(times)) - min(times)) * base
    if seconds <= 0 and rate > 0:
        seconds = len(packets) / rate
    fps = rate if rate > 0 else (len(packets) / seconds if seconds > 0 else 0.0)
    return VideoInfo(name, width, height, len(packets), fps, seconds)


def verify_video(data: bytes) -> None:
    """Decodes every frame. Raises `BadRecord`."""
    name = _sniff(data)
    with _opened(data, name) as (container, stream):
        expected = len(_packets(container, stream))
    with _opened(data, name) as (container, stream):
        decoded = sum(1 for _ in container.decode(stream))
    if decoded < expected:
        raise BadRecord("truncated-video", f"{name}: {decoded} of {expected} frames can be decoded")


def frame_indices(total: int, count: int) -> list[int]:
    """The frames at the middles of ``count`` equal parts of ``total``; every frame once where there are not enough.

    So a plan knows from metadata that a video gives min(total, count) frames. Raises `ValueError` below 1.
    """
    if total < 1 or count < 1:
        raise ValueError(f"total and count must be at least 1, got {total} and {count}")
    if count >= total:
        return list(range(total))
    return [(2 * i + 1) * total // (2 * count) for i in range(count)]


def sample_frames(data: bytes, count: int, *, span: tuple[float, float] | None = None) -> list[Image.Image]:
    """Up to ``count`` RGB frames, evenly over the video (see `frame_indices`), upright, in order of time.

    ``span``: start and end in seconds from the first frame; only frames that begin in it count. Raises `BadRecord`
    (`empty-span` where no frame begins in it) and `ValueError` for a count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    name = _sniff(data)
    with _opened(data, name) as (container, stream):
        packets = _packets(container, stream)
        base = stream.time_base or Fraction(1, 1000)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    times = sorted(p.pts for p in packets if p.pts is not None)
    # An AVI has no times of its own: FFmpeg makes them up in the order of decoding, which is not that of display.
    timed = name != "avi" and len(times) == len(packets) and len(set(times)) == len(times)
    shown = [float((t - times[0]) * base) for t in times] if timed else [float(i / rate) for i in range(len(packets))]
    inside = [i for i, at in enumerate(shown) if span is None or span[0] <= at < span[1]]
    if not inside:
        raise BadRecord("empty-span", f"{name}: no frame begins between {span} s")
    wanted = [inside[i] for i in frame_indices(len(inside), count)]
    with _opened(data, name) as (container, stream):
        if not timed:
            return _by_position(container, stream, wanted, name)
        keys = sorted(p.pts for p in packets if p.key and p.pts is not None)
        return _by_time(container, stream, [times[i] for i in wanted], keys, name)


def write_video(frames: Sequence[Image.Image], fps: float) -> bytes:
    """An H.264 video in MP4 of equally large frames: the same bytes for the same frames and the same PyAV.

    H.264 with halved colour needs even sides: an odd last row or column is repeated. Raises `ValueError` for no frame,
    unequal sizes or a rate that is not positive.
    """
    if not frames or fps <= 0:
        raise ValueError("a video needs at least one frame and a positive rate")
    if len({frame.size for frame in frames}) != 1:
        raise ValueError(f"frames differ in size: {sorted({frame.size for frame in frames})}")
    av = _av()
    width, height = frames[0].size
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        # The macroblock tree reads beyond small frames, so that the bytes depend on what lay in memory before.
        stream.options = {"crf": _CRF, "preset": "medium", "x264-params": "mbtree=0"}
        # Several threads would share out the lines differently on another machine.
        stream.codec_context.thread_count = 1
        for frame in frames:
            pixels = np.pad(np.asarray(to_rgb(frame)), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def _sniff(data: bytes) -> str:
    if not data:
        raise BadRecord("zero-byte-file")
    if len(data) > MAX_VIDEO_BYTES:
        raise BadRecord("too-many-bytes", f"{len(data):,} bytes; the cap is {MAX_VIDEO_BYTES:,}")
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "webm" if b"webm" in data[:64] else "mkv"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    raise BadRecord("not-a-video", f"starts with {data[:12]!r}, and is none of {', '.join(VIDEO_FORMATS)}")


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video stream, its frame size checked; FFmpeg's errors become `BadRecord`."""
    av = _av()
    try:
        with av.open(io.BytesIO(data), "r", format=_DEMUXERS[name]) as container:
            if not container.streams.video:
                raise BadRecord("no-video-stream", name)
            stream = container.streams.video[0]
            if stream.width * stream.height > MAX_FRAME_PIXELS:
                detail = f"frames of {stream.width}x{stream.height}; the cap is {MAX_FRAME_PIXELS:,} pixels"
                raise BadRecord("too-many-pixels", detail)
            stream.codec_context.thread_count = 1
            yield container, stream
    except av.FFmpegError as error:
        raise BadRecord("corrupt-video", f"{name}: {error}") from error


def _packets(container: InputContainer, stream: VideoStream) -> list[_Packet]:
    """One for each frame, in the order of the file. Raises `BadRecord` where packets are missing or cut."""
    promised = stream.frames
    packets: list[_Packet] = []
    end = 0.0
    for packet in container.demux():
        if packet.size == 0 or packet.is_discard:
            continue
        shown = packet.pts if packet.pts is not None else packet.dts
        if shown is not None:
            end = max(end, float((shown + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index != stream.index:
            continue
        if packet.is_corrupt:
            raise BadRecord("truncated-video", f"frame {len(packets)} is cut short")
        packets.append(_Packet(packet.pts, packet.duration or 0, packet.is_keyframe))
    if not packets:
        raise BadRecord("truncated-video", "no frames")
    if promised > 0 and len(packets) < promised // 2:
        # Edit lists hide a few frames of a whole file; half of them are missing only where it is cut.
        raise BadRecord("truncated-video", f"{len(packets)} of {promised} frames are there")
    seconds = (container.duration or 0) / 1e6
    if end < 0.95 * seconds - 0.5:
        raise BadRecord("truncated-video", f"ends after {end:.2f} s of {seconds:.2f} s")
    return packets


def _by_time(
    container: InputContainer, stream: VideoStream, wanted: list[int], keys: list[int], name: str
) -> list[Image.Image]:
    """The frames shown at the times ``wanted``, jumping to a key frame wherever that skips some."""
    images: list[Image.Image] = []
    position = -1
    frames = container.decode(stream)
    for target in wanted:
        start = max((k for k in keys if k <= target), default=-1)
        if start > position >= 0:
            container.seek(start, stream=stream)
            frames = container.decode(stream)
        for frame in frames:
            position = frame.pts if frame.pts is not None else position
            if frame.pts is not None and frame.pts >= target:
                images.append(_upright(frame))
                break
        else:
            raise BadRecord("truncated-video", f"{name}: the frame at {target * (stream.time_base or 0)} s is missing")
    return images


def _by_position(container: InputContainer, stream: VideoStream, wanted: list[int], name: str) -> list[Image.Image]:
    """For files without usable times: decode all, count."""
    keep = set(wanted)
    images = [_upright(frame) for i, frame in enumerate(container.decode(stream)) if i in keep]
    if len(images) < len(wanted):
        raise BadRecord("truncated-video", f"{name}: {len(images)} of {len(wanted)} frames can be decoded")
    return images


def _upright(frame: VideoFrame) -> Image.Image:
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    quarter = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    turn = quarter.get(frame.rotation % 360)
    return image.transpose(turn) if turn is not None else image


def _av() -> ModuleType:
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtra("av", "data") from error
    return av
