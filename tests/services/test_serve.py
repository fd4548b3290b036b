"""The chat service against `transformers serve` with a tiny model: a real server, a real model folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from polysee.services.base import ChatMessage, ChatReply, ChatRequest
from polysee.services.config import ChatConfig
from polysee.services.open import Services

_START_SECONDS = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    from polysee.models.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = train_tokenizer(["a red cat", "قطة حمراء", "一只红猫", "แมวแดง", "ቀይ ድመት"] * 4, 512)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape, **ends)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(model: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("transformers")
    command = [program, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
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


@pytest.mark.slow
def test_a_real_server_answers(url: str, model: Path, tmp_path: Path) -> None:
    config = ChatConfig(name="local", base_url=url, model=str(model), max_concurrency=2, retries=1)
    services = Services((config,), tmp_path / ".services")
    services.probe(["local"])
    asked = [ChatRequest((ChatMessage("user", text),), max_tokens=8) for text in ("a red cat", "قطة", "一只红猫")]
    answers = services.chat("local").ask(asked)
    assert all(isinstance(answer, ChatReply) for answer in answers), answers
    (totals,) = services.totals()
    assert totals.tokens_out > 0
    sent = totals.attempts
    assert services.chat("local").ask(asked) == answers
    assert services.totals()[0].attempts == sent
    services.close()
