"""The tiny model that the tests of this folder share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from polysee.models.prompt import PromptEncoder
from tiny_model import tiny_model, tiny_tokenizer

# The tensors are tiny: threads would wait for each other longer than they work.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def model(tokenizer: Any) -> Any:
    return tiny_model(tokenizer)


@pytest.fixture(scope="session")
def encoder(tokenizer: Any) -> PromptEncoder:
    return PromptEncoder(tokenizer, 4)
