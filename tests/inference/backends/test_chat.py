"""Questions to an OpenAI-compatible service over a real socket, and the same questions as vLLM is given them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from polysee.inference.backends.base import Request
from polysee.inference.backends.chat import ChatBackend, Prices, messages, shown
from polysee.inference.backends.vllm import VllmBackend, content
from polysee.media.frames import write_video
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, MediaRef, Origin, Sample, Turn, make_sample
from polysee.services.config import ChatConfig
from polysee.services.open import ServicesSpec
from services.server import Server


def _png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _sample(turns: tuple[Turn, ...], media: int = 1) -> Sample:
    refs = tuple(MediaRef(str(number) * 64, "image", 12, 8) for number in range(media))
    return make_sample(task="naming", language="th", turns=turns, origin=Origin("t", "1", ""), media=refs)


def _read(sha256: str) -> bytes:
    return _png(int(sha256[0]))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(answer=lambda body: "แมว ").running() as running:
        yield running


def _backend(server: Server, folder: Path) -> ChatBackend:
    config = ChatConfig(name="model", base_url=server.url, model="tiny", backoff_s=0.01, price_in=100, price_out=1000)
    services = ServicesSpec.of([config], folder).open()
    return ChatBackend(services.chat("model"), _read, Prices(100, 1000))


def test_answers_tokens_and_cost(server: Server, tmp_path: Path) -> None:
    backend = _backend(server, tmp_path)
    (answer,) = backend.write([Request(_sample((Turn("นี่คืออะไร", ""),)), 7)])
    assert answer.text == "แมว"
    assert (answer.tokens_in, answer.tokens_out) == (10, 4)
    assert answer.cost == pytest.approx((10 * 100 + 4 * 1000) / 1e6)
    body = server.bodies[0]
    assert (body["max_tokens"], body["temperature"]) == (7, 0)
    parts = body["messages"][0]["content"]
    assert parts[-1]["text"] == "นี่คืออะไร"
    assert base64.b64decode(parts[0]["image_url"]["url"].split(",", 1)[1]) == _png(0)


def test_draws_are_asked_apart(server: Server, tmp_path: Path) -> None:
    backend = _backend(server, tmp_path)
    sample = _sample((Turn("นี่คืออะไร", ""),))
    backend.write([Request(sample, 7, 0.7, draw) for draw in range(3)])
    assert server.posts == 3
    backend.write([Request(sample, 7, 0.7, draw) for draw in range(3)])
    assert server.posts == 3


def test_a_refused_question_says_why(tmp_path: Path) -> None:
    with Server(script=lambda number, body: "400").running() as server:
        (answer,) = _backend(server, tmp_path).write([Request(_sample((Turn("猫?", ""),)), 7)])
    assert answer.failure
    assert answer.text == ""


def test_blank_shows_grey_of_the_same_size(server: Server, tmp_path: Path) -> None:
    _backend(server, tmp_path).write([Request(_sample((Turn("نعم؟", ""),)), 7)], "blank")
    address = server.bodies[0]["messages"][0]["content"][0]["image_url"]["url"]
    picture = Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))
    assert picture.size == (12, 8)
    assert picture.getextrema() == ((128, 128),) * 3


def test_likelihoods_are_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot weigh"):
        _backend(server, tmp_path).weigh([], [])
    with pytest.raises(UserError, match="untrained"):
        _backend(server, tmp_path).write([], "untrained")


def test_dialogues_keep_their_pictures_with_their_turns() -> None:
    turns = (Turn("请用中文回答。", "好的。"), Turn(f"{IMAGE_MARK}这是什么？", "猫"), Turn(f"{IMAGE_MARK}这个呢？", ""))
    found = messages(_sample(turns, 2), lambda ref: (ref.sha256[:1].encode(),))
    assert [(m.role, m.text, m.images) for m in found] == [
        ("user", "请用中文回答。", ()),
        ("assistant", "好的。", ()),
        ("user", "这是什么？", (b"0",)),
        ("assistant", "猫", ()),
        ("user", "这个呢？", (b"1",)),
    ]


def test_videos_are_frames() -> None:
    frames = [Image.new("RGB", (16, 16), (40 * number, 0, 0)) for number in range(6)]
    ref = MediaRef("a" * 64, "video", 16, 16, frames=3)
    assert len(shown(ref, write_video(frames, fps=4), blank=False)) == 3


def test_vllm_is_given_data_addresses_and_asked_for_by_name() -> None:
    found: list[dict[str, Any]] = content(messages(_sample((Turn("ما هذا؟", ""),)), lambda ref: (_read(ref.sha256),)))
    assert found[0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert found[0]["content"][1] == {"type": "text", "text": "ما هذا؟"}
    with pytest.raises(UserError, match="needs the package 'vllm'"):
        VllmBackend("folder", _read).write([Request(_sample((Turn("ما هذا؟", ""),)), 7)])
