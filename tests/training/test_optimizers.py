"""Which weights Muon moves, at which rates, and that it learns what it should."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from polysee.training.config import Part, StageConfig
from polysee.training.optimizers import build_optimizers


def parts() -> dict[Part, nn.Module]:
    torch.manual_seed(0)
    return {
        "vision": nn.Sequential(nn.Conv2d(3, 4, 2), nn.Linear(4, 4)),
        "connector": nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 6)),
        "language": nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 6, bias=False)),
    }


def stage(**changes: object) -> StageConfig:
    return StageConfig.model_validate(
        {
            "name": "one",
            "train": ("connector", "language"),
            "steps": 20,
            "learning_rate": {"connector": 1e-2, "language": 2e-2},
            "optimizer": "muon",
            **changes,
        }
    )


def held(optimizer: torch.optim.Optimizer) -> list[tuple[tuple[int, ...], float]]:
    return [(tuple(p.shape), group["peak"]) for group in optimizer.param_groups for p in group["params"]]


def test_muon_takes_the_matrices_of_trained_parts() -> None:
    adamw, muon = build_optimizers(parts(), stage())
    assert isinstance(muon, torch.optim.Muon)
    assert held(muon) == [((6, 4), 1e-2), ((6, 6), 2e-2)]
    assert held(adamw) == [((4,), 1e-2), ((4,), 1e-2), ((6,), 1e-2), ((9, 6), 2e-2)]


def test_adamw_takes_all_of_them() -> None:
    (adamw,) = build_optimizers(parts(), stage(optimizer="adamw", train=("vision",), learning_rate={"vision": 1e-3}))
    assert held(adamw) == [((4, 3, 2, 2), 1e-3), ((4,), 1e-3), ((4, 4), 1e-3), ((4,), 1e-3)]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_learns_a_map(optimizer: str) -> None:
    torch.manual_seed(1)
    wanted = torch.randn(6, 4)
    model = nn.Linear(4, 6)
    made = build_optimizers(
        {"connector": model},
        stage(train=("connector",), learning_rate={"connector": 0.05}, optimizer=optimizer, weight_decay=0.0),
    )
    inputs = torch.randn(64, 4)
    losses = []
    for _ in range(200):
        loss = (model(inputs) - inputs @ wanted.T).square().mean()
        losses.append(loss.item())
        model.zero_grad()
        loss.backward()
        for one in made:
            one.step()
    assert losses[-1] < 0.02 * losses[0]
