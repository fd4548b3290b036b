"""Frames in a video's place: how many, which, and where the prompt holds them."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from polysee.media.decode import decode, probe
from polysee.media.frames import video_info, write_video
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.transforms import get
from polysee.transforms.base import Failed, Made
from polysee.transforms.frames import Frames, FramesParams

SHADES = [5 * n for n in range(40)]
VIDEO = write_video([Image.new("RGB", (32, 24), (shade, shade, shade)) for shade in SHADES], fps=10)
STILL = io.BytesIO()
Image.new("RGB", (9, 7), "red").save(STILL, "PNG")
STORE = {hashlib.sha256(data).hexdigest(): data for data in (VIDEO, STILL.getvalue(), b"no video")}


def _ref(data: bytes, kind: Any = "video", **more: Any) -> MediaRef:
    size = (32, 24, 40) if kind == "video" else (9, 7, 1)
    return MediaRef(hashlib.sha256(data).hexdigest(), kind, *size, **more)


def _sample(*media: MediaRef, question: str = "أين يذهب؟", **more: Any) -> Sample:
    return make_sample(
        **{
            "task": "video",
            "language": "ar",
            "turns": (Turn(question, "يمين"), Turn("لماذا؟", "هكذا")),
            "media": media or (_ref(VIDEO),),
            "origin": Origin("clips", "1", "CC-BY-4.0"),
            **more,
        }
    )


def _one(sample: Sample, seed: int = 0, **params: Any) -> Made | Failed:
    (made,) = Frames(FramesParams(**params), seed=seed).apply([sample], STORE.__getitem__)
    return made


def _made(sample: Sample, seed: int = 0, **params: Any) -> Made:
    made = _one(sample, seed, **params)
    assert isinstance(made, Made), made
    return made


def test_the_registry_knows_it() -> None:
    assert get("frames") is Frames


def test_pictures_stand_in_the_videos_place() -> None:
    before = _sample()
    made = _made(before, least=4, most=4)
    after = made.sample
    assert [ref.kind for ref in after.media] == ["image"] * 4
    assert [ref.sha256 for ref in after.media] == [hashlib.sha256(blob.data).hexdigest() for blob in made.media]
    assert all((ref.width, ref.height) == (32, 24) == decode(blob.data).size
               for ref, blob in zip(after.media, made.media, strict=True))  # fmt: skip
    # The middles of four equal parts of forty frames, in order of time.
    shades = [decode(blob.data).getpixel((16, 12))[0] for blob in made.media]  # type: ignore[index]
    assert shades == pytest.approx([SHADES[n] for n in (5, 15, 25, 35)], abs=6)
    assert after.turns == before.turns
    assert "frames:4" in after.tags
    assert (after.origin.parent, after.origin.step) == (before.id, "frames")


def test_how_many_depends_on_the_sample_and_the_seed_alone() -> None:
    samples = [_sample(question=f"سؤال {n}") for n in range(30)]
    step = Frames(FramesParams(least=2, most=5), seed=3)
    counts = [step.count(sample) for sample in samples]
    assert set(counts) == {2, 3, 4, 5}
    assert [len(_made(sample, 3, least=2, most=5).sample.media) for sample in samples[:4]] == counts[:4]
    assert counts != [Frames(FramesParams(least=2, most=5), seed=4).count(sample) for sample in samples]
    parallel = [_sample(language=tag, tags=("group:7",)) for tag in ("ar", "th", "am")]
    assert len({step.count(sample) for sample in parallel}) == 1


def test_a_short_video_gives_all_it_has() -> None:
    assert len(_made(_sample(), least=100, most=100).sample.media) == 40


def test_only_the_span_counts() -> None:
    made = _made(_sample(_ref(VIDEO, span=(2.0, 2.5))), least=8, most=8)
    assert len(made.media) == 5
    assert made.sample.media[0].span is None


def test_marks_follow_the_frames() -> None:
    before = _sample(_ref(STILL.getvalue(), "image"), _ref(VIDEO), question="<image> ثم <image> أين؟")
    after = _made(before, least=3, most=3).sample
    assert after.turns[0].input == "<image> ثم <image><image><image> أين؟"
    assert [ref.kind for ref in after.media] == ["image"] * 4
    assert after.media[0] == before.media[0]


def test_a_mark_too_few_is_a_failure() -> None:
    made = _one(_sample(_ref(VIDEO), _ref(VIDEO), question="<image> أين؟"))
    assert isinstance(made, Failed)
    assert made.reason == "marks-and-media"


def test_a_shorter_video_of_the_same_duration() -> None:
    made = _made(_sample(), make="video", least=8, most=8)
    (ref,), (blob,) = made.sample.media, made.media
    info = video_info(blob.data)
    assert (ref.kind, ref.frames, ref.width, ref.height) == ("video", 8, info.width, info.height)
    assert info.frames == 8
    assert info.seconds == pytest.approx(4.0, abs=0.3)
    assert probe(blob.data, "video").frames == 8


def test_what_is_no_video_passes() -> None:
    still = _sample(_ref(STILL.getvalue(), "image"))
    assert _made(still).sample == still
    assert _made(_sample(), tasks=("video_qa",)).sample == _sample()


def test_a_broken_video_is_a_failure() -> None:
    made = _one(_sample(_ref(b"no video")))
    assert isinstance(made, Failed)
    assert made.reason == "not-a-video"


def test_a_range_in_the_wrong_order() -> None:
    with pytest.raises(ValidationError, match=r"least .9. is more than most"):
        FramesParams(least=9, most=8)
