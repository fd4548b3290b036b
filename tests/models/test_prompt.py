"""The ids that we train on are those that transformers' own processor makes of the same conversation."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import InternVLProcessor
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

import tiny_model
from polysee.models.prompt import PromptEncoder
from polysee.models.tiles import TilePolicy
from polysee.models.tokenizer import END, IMAGE_CONTEXT, IMAGE_START, SPECIAL
from polysee.schema.sample import IMAGE_MARK, MediaRef, Origin, Sample, Turn, make_sample

TILE, TOKENS = 16, 4
POLICY = TilePolicy(TILE, 4)
FRAMES = 3
SIZES = ((16, 16), (32, 16), (16, 48), (40, 40), (7, 90))


class WithoutVideo(InternVLProcessor):  # type: ignore[misc]
    """The native processor without its video part, which needs torchvision; what it writes for a video is native."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        return type(None) if argument is None else super().check_argument_for_proper_class(argument_name, argument)


@cache
def encoder() -> PromptEncoder:
    return PromptEncoder(tiny_model.tiny_tokenizer(), TOKENS)


@cache
def processor() -> Any:
    images = GotOcr2ImageProcessorPil(
        size={"height": TILE, "width": TILE}, crop_to_patches=True, min_patches=1, max_patches=POLICY.image_tiles
    )
    tokenizer = encoder().tokenizer
    made = WithoutVideo(images, tokenizer, None, image_seq_length=TOKENS, chat_template=tokenizer.chat_template)
    made.video_processor = frames_as_they_are
    return made


def frames_as_they_are(videos: list[Any], **_: Any) -> dict[str, torch.Tensor]:
    """Where the native video processor stands: (videos, frames, 3, tile, tile), every frame taken."""
    return {"pixel_values_videos": torch.zeros((len(videos), len(videos[0]), 3, TILE, TILE))}


def sample(
    turns: list[tuple[str, str]], *, media: int = 0, videos: int = 0, instruction: str = "", language: str = "ar"
) -> Sample:
    """The videos come after the images."""
    refs = tuple(MediaRef(f"{i:064}", "image", *SIZES[i % len(SIZES)]) for i in range(media))
    refs += tuple(MediaRef(f"{media + i:064}", "video", TILE, TILE, FRAMES) for i in range(videos))
    return make_sample(
        task="naming",
        language=language,
        turns=tuple(Turn(*turn) for turn in turns),
        origin=Origin("tiny", "0", "CC0-1.0"),
        media=refs,
        instruction=instruction,
    )


def messages(made: Sample) -> list[dict[str, Any]]:
    """The conversation as a user of transformers would write it."""
    marked = IMAGE_MARK in made.instruction or any(IMAGE_MARK in turn.input for turn in made.turns)
    said = []
    left = iter(made.media)
    for number, turn in enumerate(made.turns):
        text = turn.input
        if number == 0:
            text = "\n".join(part for part in (made.instruction, turn.input) if part)
        content: list[dict[str, Any]] = [{"type": m.kind} for m in left] if number == 0 and not marked else []
        for place, part in enumerate(text.split(IMAGE_MARK)):
            content += ([{"type": next(left).kind}] if place else []) + [{"type": "text", "text": part}]
        said += [{"role": "user", "content": content}, {"role": "assistant", "content": turn.output}]
    return said


def native(made: Sample, said: list[dict[str, Any]], *, ask: bool = False) -> list[int]:
    pictures = [Image.new("RGB", (m.width, m.height)) for m in made.media if m.kind == "image"]
    videos = [np.zeros((m.frames, m.height, m.width, 3), np.uint8) for m in made.media if m.kind == "video"]
    text = processor().apply_chat_template(said, tokenize=False, add_generation_prompt=ask)
    ids: list[int] = processor()(images=pictures or None, videos=videos or None, text=text)["input_ids"][0]
    return ids


CONVERSATIONS = {
    "text alone": sample([("ما هذا؟", "قطة")]),
    "no input": sample([("", "ድመት")], media=1, instruction="ይህ ምንድን ነው?"),
    "neither": sample([("", "แมว")], media=1),
    "instruction and input": sample([("猫", "三")], media=1, instruction="有多少？"),
    "several turns": sample([("बिल्ली", "एक"), ("कुत्ता", "दो"), ("", "तीन")], media=1, instruction="कितने?"),
    "several images": sample([("რომელი სურათია?", "პირველი")], media=4),
    "marks inside": sample([(f"قبل {IMAGE_MARK} وبين {IMAGE_MARK} بعد", "نعم")], media=2),
    "marks in turns": sample(
        [
            (f"这张{IMAGE_MARK}？", "猫"),
            ("还有呢？", "狗"),
            (f"{IMAGE_MARK}{IMAGE_MARK}呢？", "鱼、马"),
            (f"最后{IMAGE_MARK}", "是"),
        ],
        media=4,
    ),
    "a video": sample([("猫", "右")], videos=1, instruction="往哪个方向移动？"),
    "a video alone": sample([("", "ขวา")], videos=1),
    "two videos": sample([("أيهما؟", "الأول")], videos=2),
    "images and videos": sample([("कौन?", "पहला")], media=2, videos=2),
    "a video amid words": sample([(f"Frame{IMAGE_MARK}ነው? {IMAGE_MARK}\nFrame2: ", "አዎ")], media=1, videos=1),
    "videos amid words": sample(
        [(f"قبل{IMAGE_MARK}وبين {IMAGE_MARK} بعد", "نعم"), (f"Frame {IMAGE_MARK}!", "лево")], videos=3
    ),
    "mark in the instruction": sample([("🐈‍⬛", "כן")], media=1, instruction=f"תסתכל על {IMAGE_MARK} בבקשה"),
    "mark in a later turn alone": sample([("سلام", "سلام"), (f"{IMAGE_MARK}\nاین چیست؟", "لاک\u200cپشت")], media=1),
    "many scripts": sample([("قطة cat 猫 แมว ድመት კატა 👩🏽‍🚀", "hĕllo, 世界\n\n  مرحبا ")], media=2),
    "decomposed": sample([("cafe\u0301 नि\u0915\u093c", "e\u0301")]),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ids_are_those_of_the_native_processor(name: str) -> None:
    made = CONVERSATIONS[name]
    tiles = [POLICY.count(medium) for medium in made.media]
    said = messages(made)
    encoded = encoder().encode(made, tiles)
    assert list(encoded.input_ids) == native(made, said)
    first = encoded.answers[0][0]
    assert encoder().prompt_ids(made, tiles) == list(encoded.input_ids[:first])
    assert encoded.tiles == sum(tiles)
    assert encoded.input_ids.count(encoder().image_token_id) == TOKENS * sum(tiles)


def test_a_prompt_is_what_generation_starts_from() -> None:
    made = CONVERSATIONS["several images"]
    tiles = [POLICY.count(medium) for medium in made.media]
    prompt = encoder().prompt_ids(made, tiles)
    assert prompt == native(made, messages(made)[:1], ask=True)
    assert [*prompt, *encoder().answer_ids("პირველი")] == list(encoder().encode(made, tiles).input_ids)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_spans_decode_to_the_answers(name: str) -> None:
    made = CONVERSATIONS[name]
    encoded = encoder().encode(made, [POLICY.count(medium) for medium in made.media])
    assert len(encoded.answers) == len(made.turns)
    for (start, stop), turn in zip(encoded.answers, made.turns, strict=True):
        assert encoder().tokenizer.decode(encoded.input_ids[start:stop]) == turn.output + END
        assert encoded.input_ids[stop - 1] == encoder().end_id
    assert encoded.answers[-1][1] == len(encoded.input_ids)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=3), st.integers(0, 2))
def test_any_conversation(turns: list[tuple[str, str]], media: int) -> None:
    clean = [tuple(part.replace("<", "‹") for part in turn) for turn in turns]
    made = sample([(question, answer) for question, answer in clean], media=media)
    tiles = [POLICY.count(medium) for medium in made.media]
    encoded = encoder().encode(made, tiles)
    assert list(encoded.input_ids) == native(made, messages(made))
    for (start, stop), turn in zip(encoded.answers, made.turns, strict=True):
        assert encoder().tokenizer.decode(encoded.input_ids[start:stop]) == turn.output + END


@pytest.mark.parametrize("token", SPECIAL)
def test_text_that_spells_a_special_token_stays_text(token: str) -> None:
    """Or one bad caption on the web would end a turn, or stop a training run for want of a picture."""
    made = sample([(f"ما {token} هذا؟", f"قطة {token}")], media=1, instruction=f"{token}انظر")
    encoded = encoder().encode(made, [1])
    assert encoded.input_ids.count(encoder().image_token_id) == TOKENS
    assert encoded.input_ids.count(encoder().end_id) == 2
    starts = encoder().tokenizer.convert_tokens_to_ids(IMAGE_START)
    assert encoded.input_ids.count(starts) == 1
    ((start, stop),) = encoded.answers
    assert encoder().tokenizer.decode(encoded.input_ids[start : stop - 1]) == f"قطة {token}"
    assert token in encoder().tokenizer.decode(encoded.input_ids[TOKENS + 3 : start - 2])


def test_text_is_compared_in_nfc() -> None:
    text = "क\u093c e\u0301"
    made = sample([(text, text)])
    ((start, stop),) = encoder().encode(made, []).answers
    ids = encoder().encode(made, []).input_ids
    assert encoder().tokenizer.decode(ids[start : stop - 1]) == unicodedata.normalize("NFC", text)


def test_a_video_is_a_line_a_frame() -> None:
    made = sample([("?", "右")], videos=1, instruction="去哪里")
    tile = f"<img>{IMAGE_CONTEXT * TOKENS}</img>"
    frames = "\n".join(f"Frame{number}: {tile}" for number in (1, 2, 3))
    assert encoder().tokenizer.decode(encoder().prompt_ids(made, [3])) == (
        f"<|user|>{frames}去哪里\n?<|end|><|assistant|>"
    )


def test_tokens_of_a_tile_are_between_its_marks() -> None:
    made = sample([("?", "猫")], media=2)
    ids = np.array(encoder().encode(made, [1, 3]).input_ids)
    context = encoder().image_token_id
    assert encoder().tokenizer.decode(ids[:8]) == f"<|user|><img>{IMAGE_CONTEXT * TOKENS}</img><img>"
    assert (ids == context).sum() == TOKENS * 4
