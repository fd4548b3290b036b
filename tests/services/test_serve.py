"""The chat service against `transformers serve` with tiny models: a real server, real model folders, real pictures."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from polysee.services.base import ChatMessage, ChatReply, ChatRequest, Failure
from polysee.services.config import ChatConfig
from polysee.services.open import Services

_START_SECONDS = 240
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXTS = ("a red cat", "قطة حمراء", "一只红猫", "แมวแดง", "ቀይ ድመት")
SIDE, PATCH = 16, 8


def _tokenizer() -> Any:
    from polysee.models.tokenizer import train_tokenizer

    return train_tokenizer([*TEXTS] * 4, 512)


@pytest.fixture(scope="module")
def text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("text")
    tokenizer = _tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    tokenizer.save_pretrained(folder)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **SHAPE, **ends)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def vision_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA with random weights; a picture is as many tokens as it has patches."""
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("vision")
    tokenizer = _tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    part = "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    turn = "{{ m.role }}: {% for part in m.content %}" + part + "{% endfor %}\n"
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template="{% for m in messages %}" + turn + "{% endfor %}assistant:",
    ).save_pretrained(folder)
    torch.manual_seed(1)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(image_size=SIDE, patch_size=PATCH, **SHAPE),
            text_config=LlamaConfig(vocab_size=len(tokenizer), **SHAPE),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    command = [program, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"{address}/health"):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.5)
        yield f"{address}/v1"
    finally:
        process.terminate()
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _ask(url: str, model: Path, folder: Path, asked: Sequence[ChatRequest]) -> list[ChatReply | Failure]:
    """The answers, which a second time come without a request."""
    config = ChatConfig(name="local", base_url=url, model=str(model), max_concurrency=2, retries=1, backoff_s=0.1)
    services = Services((config,), folder)
    services.probe(["local"])
    answers = services.chat("local").ask(asked)
    sent = services.totals()[0].attempts
    good = [request for request, answer in zip(asked, answers, strict=True) if isinstance(answer, ChatReply)]
    assert services.chat("local").ask(good) == [answer for answer in answers if isinstance(answer, ChatReply)]
    assert services.totals()[0].attempts == sent
    services.close()
    return answers


def _png(colour: str) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.slow
def test_a_real_server_answers(url: str, text_model: Path, tmp_path: Path) -> None:
    asked = [ChatRequest((ChatMessage("user", text),), max_tokens=8) for text in TEXTS]
    answers = _ask(url, text_model, tmp_path / ".services", asked)
    assert all(isinstance(answer, ChatReply) and answer.tokens_out > 0 for answer in answers), answers


@pytest.mark.slow
def test_a_real_server_sees_pictures(url: str, vision_model: Path, tmp_path: Path) -> None:
    red, blue = _png("red"), _png("blue")
    shown = [(), (red,), (blue,), (red, blue), (b"\x89PNG, or so it says",)]
    asked = [ChatRequest((ChatMessage("user", "ما هذا؟", images),), max_tokens=8) for images in shown]
    *answers, broken = _ask(url, vision_model, tmp_path / ".services", asked)
    replies = [answer for answer in answers if isinstance(answer, ChatReply)]
    assert len(replies) == len(answers), answers
    patches = (SIDE // PATCH) ** 2
    assert [reply.tokens_in - replies[0].tokens_in for reply in replies] == [0, patches, patches, 2 * patches]
    assert replies[1].text != replies[2].text
    assert isinstance(broken, Failure)
    assert broken.reason == "server-error"
