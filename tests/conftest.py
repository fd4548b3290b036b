"""What tests of several folders share. Torch is imported only where a test asks for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from polysee.models.prompt import PromptEncoder
    from tiny_chain import Planned


@pytest.fixture(scope="session")
def one_thread() -> None:
    """The tensors are tiny: threads would wait for each other longer than they work."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Planned:
    """A run of the tiny chain up to its plans, made once."""
    from tiny_chain import Planned, make_plans

    folder = tmp_path_factory.mktemp("planned")
    make_plans(folder)
    return Planned(folder)


@pytest.fixture(scope="session")
def tokenizer(one_thread: None) -> Any:
    from tiny_model import tiny_tokenizer

    return tiny_tokenizer()


@pytest.fixture(scope="session")
def model(tokenizer: Any) -> Any:
    from tiny_model import tiny_model

    return tiny_model(tokenizer)


@pytest.fixture(scope="session")
def encoder(tokenizer: Any) -> PromptEncoder:
    from polysee.models.prompt import PromptEncoder

    return PromptEncoder(tokenizer, 4)
