"""Takes frames out of videos: as pictures in their place, or as a shorter video of exactly so many."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from polysee.media.frames import sample_frames, video_info, write_video
from polysee.schema.errors import BadRecord
from polysee.schema.sample import IMAGE_MARK, MediaRef, Sample, Turn
from polysee.sources.base import MediaBlob, Params
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.forecast import Counts, Forecast
from polysee.transforms.lineage import parameters_hash
from polysee.transforms.rewriting import Maker, draw, identity, rewritten

if TYPE_CHECKING:
    from PIL import Image


class FramesParams(Params):
    """Parameters of the transform."""

    least: int = Field(default=8, ge=1, le=1024)
    most: int = Field(default=32, ge=1, le=1024)
    """A sample has so many frames, drawn between the two; equal numbers fix it. A shorter video gives all it has."""
    make: Literal["images", "video"] = "images"
    """Pictures in the video's place, or a video of these frames alone, of the same duration."""
    quality: int = Field(default=92, ge=1, le=100)
    """JPEG's, of the pictures."""
    tasks: tuple[str, ...] | None = None
    """Only samples of these tasks; all where left out."""

    @model_validator(mode="after")
    def _in_order(self) -> FramesParams:
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) is more than most ({self.most})")
        return self


class Frames:
    """Frames evenly over each video, or over its span; how many depends on the sample and the seed alone.

    A mark `<image>` of a video becomes one a frame, so that the prompt holds them where the video stood. Samples
    without a video pass unchanged; parallel samples (those of one ``group:``) get equally many frames.
    """

    Params: ClassVar[type[FramesParams]] = FramesParams
    version: ClassVar[int] = 1

    def __init__(self, params: FramesParams, *, seed: int = 0) -> None:
        self._params = params
        self._seed = seed
        self._maker = Maker("frames", parameters_hash(params, self.version, seed))

    @staticmethod
    def forecast(params: FramesParams, counts: Counts) -> Forecast:
        """As many samples as there are."""
        return Forecast(counts, media=True)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """One `Made` or `Failed` for each sample; reasons: those of `polysee.media.frames`, ``marks-and-media``."""
        for sample in samples:
            wanted = self._params.tasks is None or sample.task in self._params.tasks
            if not wanted or all(ref.kind != "video" for ref in sample.media):
                yield Made(sample)
                continue
            try:
                yield self._taken(sample, read_media)
            except BadRecord as error:
                yield Failed(sample, error.reason, error.detail)

    def count(self, sample: Sample) -> int:
        """How many frames a sample gets of each video that is long enough."""
        size = self._params.most - self._params.least + 1
        return self._params.least + draw(size, self._seed, "frames", identity(sample))

    def _taken(self, sample: Sample, read_media: ReadMedia) -> Made:
        count = self.count(sample)
        refs: list[MediaRef] = []
        blobs: list[MediaBlob] = []
        parts: list[int] = []
        for ref in sample.media:
            made = self._frames(ref, read_media(ref.sha256), count) if ref.kind == "video" else []
            refs += [one for one, _ in made] or [ref]
            blobs += [blob for _, blob in made]
            parts.append(len(made) or 1)
        instruction, turns = _remarked(sample, parts)
        tags = (f"frames:{max(parts) if self._params.make == 'images' else count}",)
        new = rewritten(sample, self._maker, media=tuple(refs), turns=turns, instruction=instruction, add_tags=tags)
        return Made(new, tuple(blobs))

    def _frames(self, ref: MediaRef, data: bytes, count: int) -> list[tuple[MediaRef, MediaBlob]]:
        place = f"frames of {ref.sha256[:12]}"
        frames = sample_frames(data, count, span=ref.span)
        if self._params.make == "images":
            return [self._stored(_jpeg(f, self._params.quality), "image", f.size, 1, place) for f in frames]
        seconds = ref.span[1] - ref.span[0] if ref.span is not None else video_info(data).seconds
        fps = len(frames) / seconds if seconds > 0 else 1.0
        return [self._stored(write_video(frames, fps=max(fps, 1 / 60)), "video", frames[0].size, len(frames), place)]

    @staticmethod
    def _stored(
        data: bytes, kind: Literal["image", "video"], size: tuple[int, int], frames: int, place: str
    ) -> tuple[MediaRef, MediaBlob]:
        # H.264 with halved colour has even sides.
        width, height = (side + side % 2 for side in size) if kind == "video" else size
        ref = MediaRef(hashlib.sha256(data).hexdigest(), kind, width, height, frames)
        return ref, MediaBlob(data, kind, place=place)


def _remarked(sample: Sample, parts: list[int]) -> tuple[str, tuple[Turn, ...]]:
    """Instruction and turns with as many marks for each medium as it has ``parts``."""
    texts = [sample.instruction, *(turn.input for turn in sample.turns)]
    marks = sum(text.count(IMAGE_MARK) for text in texts)
    if marks == 0:
        return sample.instruction, sample.turns
    if marks != len(parts):
        raise BadRecord("marks-and-media", f"{marks} marks for {len(parts)} media")
    counts = iter(parts)
    changed = []
    for text in texts:
        head, *rest = text.split(IMAGE_MARK)
        changed.append(head + "".join(IMAGE_MARK * next(counts) + part for part in rest))
    turns = tuple(Turn(text, turn.output) for text, turn in zip(changed[1:], sample.turns, strict=True))
    return changed[0], turns


def _jpeg(image: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality)
    return target.getvalue()
