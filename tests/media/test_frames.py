"""Videos of real codecs, made here, read back; damaged ones refused."""

from __future__ import annotations

import io
import random

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from polysee.media import frames as module
from polysee.media.decode import MediaInfo, probe, verify
from polysee.media.frames import frame_indices, sample_frames, verify_video, video_info, write_video
from polysee.schema import BadRecord

COUNT = 48


def clip(count: int = COUNT, size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    """Frame i is grey 5 i, with a white square at the upper left."""
    made = []
    for i in range(count):
        image = Image.new("RGB", size, (5 * i,) * 3)
        image.paste((255, 255, 255), (0, 0, 16, 16))
        made.append(image)
    return made


def encode(format: str, codec: str, *, rotation: int | None = None, **options: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.options = 64, 48, "yuv420p", options
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for image in clip():
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    return file.getvalue()


def shade(image: Image.Image) -> int:
    """Which frame of `clip` this is."""
    return round(image.getpixel((image.width // 2 + 8, image.height // 2 + 8))[0] / 5)


MP4 = write_video(clip(), 12)
FORMATS = [("mp4", "libx264"), ("mp4", "mpeg4"), ("webm", "libvpx-vp9"), ("matroska", "libx264"), ("avi", "mpeg4")]


def test_written_videos_are_the_same_bytes_each_time() -> None:
    assert write_video(clip(), 12) == MP4
    assert video_info(MP4) == module.VideoInfo("mp4", 64, 48, COUNT, 12.0, COUNT / 12)
    assert probe(MP4, "video") == verify(MP4, "video") == MediaInfo("mp4", 64, 48, COUNT)


def discs(seed: int) -> list[Image.Image]:
    """Three discs that move over white, 32 pixels wide."""
    rng = random.Random(seed)
    made = [Image.new("RGB", (32, 32), "white") for _ in range(8)]
    for _ in range(3):
        x, y, right, down = rng.randrange(32), rng.randrange(32), rng.randrange(-4, 5), rng.randrange(-4, 5)
        colour = (rng.randrange(256), rng.randrange(256), rng.randrange(256))
        for i, image in enumerate(made):
            at = (x + i * right, y + i * down, x + i * right + 9, y + i * down + 9)
            ImageDraw.Draw(image).ellipse(at, fill=colour)
    return made


def test_small_videos_do_not_depend_on_what_lay_in_memory() -> None:
    """An encoder that reads beyond a frame of 32 pixels writes up to seven different videos of such a clip."""
    rng = random.Random(0)
    held: list[bytes] = []
    for seed in range(2):
        shown, written = discs(seed), set()
        for _ in range(40):
            held.append(rng.randbytes(rng.randrange(1, 200_000)))
            if len(held) > 20:
                held.pop(rng.randrange(20))
            written.add(write_video(shown, 2))
        assert len(written) == 1


def test_odd_sides_are_made_even() -> None:
    info = video_info(write_video(clip(3, (33, 31)), 29.97))
    assert (info.width, info.height, info.frames) == (34, 32, 3)
    assert info.fps == pytest.approx(29.97)


@pytest.mark.parametrize(("format", "codec"), FORMATS)
def test_frames_are_the_ones_asked_for(format: str, codec: str) -> None:
    options = {"g": "7", "bf": "2"} if codec in ("libx264", "mpeg4") else {}
    data = encode(format, codec, **options)
    info = video_info(data)
    assert (info.frames, info.width, info.height, round(info.fps)) == (COUNT, 64, 48, 10)
    assert info.format == {"matroska": "mkv"}.get(format, format)
    assert info.seconds == pytest.approx(4.8, abs=0.11)
    for count in (1, 3, 8, 47, COUNT, 100):
        got = [shade(image) for image in sample_frames(data, count)]
        # Lossy codecs may be a shade off.
        assert np.abs(np.subtract(got, frame_indices(COUNT, count))).max() <= 1


def test_key_frames_are_found_from_any_start() -> None:
    data = encode("mp4", "libx264", g="5", bf="3", crf="1")
    assert [shade(f) for f in sample_frames(data, 6)] == frame_indices(COUNT, 6)
    assert [f.tobytes() for f in sample_frames(data, 6)] == [f.tobytes() for f in sample_frames(data, 6)]


def test_spans() -> None:
    assert [shade(f) for f in sample_frames(MP4, 3, span=(1.0, 2.0))] == [14, 18, 22]
    assert [shade(f) for f in sample_frames(MP4, 99, span=(1.0, 1.25))] == [12, 13, 14]
    with pytest.raises(BadRecord, match="empty-span"):
        sample_frames(MP4, 3, span=(50.0, 60.0))


@given(st.integers(1, 5000), st.integers(1, 200))
def test_indices_are_even_and_in_range(total: int, count: int) -> None:
    indices = frame_indices(total, count)
    assert len(indices) == min(total, count)
    assert indices[0] >= 0
    assert indices[-1] < total
    gaps = np.diff(indices)
    assert len(gaps) == 0 or (gaps.min() >= 1 and np.ptp(gaps) <= 1)
    # The same distance from both ends.
    assert abs(indices[0] - (total - 1 - indices[-1])) <= 1


@pytest.mark.parametrize(
    ("rotation", "size", "corner"), [(90, (48, 64), (2, 61)), (-90, (48, 64), (45, 2)), (180, (64, 48), (61, 45))]
)
def test_rotated_videos_are_shown_upright(rotation: int, size: tuple[int, int], corner: tuple[int, int]) -> None:
    data = encode("mp4", "libx264", rotation=rotation)
    info = video_info(data)
    frame = sample_frames(data, 3)[0]
    assert frame.size == (info.width, info.height) == size
    assert frame.getpixel(corner)[0] > 240
    assert sum(frame.getpixel((x, y))[0] > 240 for x in (2, size[0] - 3) for y in (2, size[1] - 3)) == 1


BAD = {
    "zero bytes": (b"", "zero-byte-file"),
    "text": (b"#EXTM3U\nfile:///etc/passwd\n", "not-a-video"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(50), "not-a-video"),
    "mp4 garbage": (b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 20, "corrupt-video"),
    "mp4 without its index": (MP4[: len(MP4) // 2], "corrupt-video"),
    "matroska garbage": (b"\x1aE\xdf\xa3" + b"x" * 900, "corrupt-video"),
    "avi garbage": (b"RIFF\x00\x00\x00\x00AVI LIST" + b"z" * 400, "no-video-stream"),
    "matroska cut at its last third": (encode("matroska", "libx264", g="5")[:-900], "truncated-video"),
    "matroska cut at its first frame": (encode("matroska", "libx264")[:600], "truncated-video"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_videos_are_refused_with_their_reason(name: str) -> None:
    data, reason = BAD[name]
    for read in (video_info, verify_video, lambda d: sample_frames(d, 4)):
        with pytest.raises(BadRecord) as caught:
            read(data)
        assert caught.value.reason == reason, str(caught.value)


def test_sound_alone_is_no_video() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(BadRecord, match="no-video-stream"):
        video_info(file.getvalue())


def test_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FRAME_PIXELS", 64 * 48 - 1)
    with pytest.raises(BadRecord, match="too-many-pixels"):
        sample_frames(MP4, 1)
    monkeypatch.setattr(module, "MAX_VIDEO_BYTES", 100)
    with pytest.raises(BadRecord, match="too-many-bytes"):
        video_info(MP4)


def test_impossible_arguments() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        write_video([], 5)
    with pytest.raises(ValueError, match="differ in size"):
        write_video([Image.new("RGB", (4, 4)), Image.new("RGB", (6, 4))], 5)
    with pytest.raises(ValueError, match="count"):
        sample_frames(MP4, 0)
