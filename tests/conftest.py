"""What tests of several folders share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tiny_chain import Planned


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """A run of the tiny chain up to its plans, made once."""
    import torch

    from tiny_chain import Planned, make_plans

    # The tensors are tiny: threads would wait for each other longer than they work.
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("planned")
    make_plans(folder)
    return Planned(folder)
