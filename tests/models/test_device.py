"""Where models compute, and that determinism ends where it was asked for."""

from __future__ import annotations

import contextlib

import pytest
import torch

from polysee.models.device import best_device, deterministic


def test_the_accelerator_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, expected in ((torch.device("cuda"), "cuda"), (None, "cpu")):
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available, found=found: found)
        assert best_device().type == expected


@pytest.mark.parametrize(("before", "warn_only"), [(False, False), (True, True)])
def test_determinism_ends_with_its_block(before: bool, warn_only: bool) -> None:
    old = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(before, warn_only=warn_only)
    try:
        with contextlib.suppress(ZeroDivisionError), deterministic():
            inside = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
            assert inside == (True, False)
            raise ZeroDivisionError
        assert torch.are_deterministic_algorithms_enabled() == before
        assert torch.is_deterministic_algorithms_warn_only_enabled() == warn_only
    finally:
        torch.use_deterministic_algorithms(old[0], warn_only=old[1])
