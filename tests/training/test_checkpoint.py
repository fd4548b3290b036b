"""Which step checkpoint counts, which are forgotten, and what they are made of."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from traceback import StackSummary
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch.distributed.checkpoint.api import CheckpointException

from polysee.training.checkpoint import StageCheckpoints
from polysee.training.loop import train_stage
from tiny_chain import Planned


class Tied(torch.nn.Module):
    """Two names for one tensor, as an output layer tied to its embedding has."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = torch.nn.Linear(3, 3, bias=False)
        self.frozen = torch.nn.Linear(3, 3).requires_grad_(False)
        self.second = torch.nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.second(self.frozen(self.first(values)))
        return out


Optimizers = list[torch.optim.Optimizer]


def made(seed: int) -> tuple[Tied, Optimizers]:
    model = Tied(seed)
    return model, [torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)]


def made_for_muon(seed: int) -> tuple[Tied, Optimizers]:
    model = Tied(seed)
    model.frozen.bias.requires_grad_(True)
    return model, [torch.optim.Muon([model.first.weight], lr=0.1), torch.optim.AdamW([model.frozen.bias], lr=0.1)]


def stepped(model: Tied, optimizers: Optimizers, steps: int) -> list[torch.Tensor]:
    for step in range(steps):
        model.zero_grad()
        model(torch.full((2, 3), 1.0 + step)).square().sum().backward()
        for optimizer in optimizers:
            optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def state(optimizers: Optimizers) -> list[Any]:
    return [v for optimizer in optimizers for entry in optimizer.state.values() for _, v in sorted(entry.items())]


def test_nothing_to_restore(tmp_path: Path) -> None:
    model, optimizer = made(0)
    before = [p.clone() for p in model.parameters()]
    assert StageCheckpoints(tmp_path / "steps").restore(model, optimizer) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize(("made", "tensors"), [(made, 3), (made_for_muon, 4)])
def test_restores_weights_and_optimizers(
    tmp_path: Path, made: Callable[[int], tuple[Tied, Optimizers]], tensors: int
) -> None:
    checkpoints = StageCheckpoints(tmp_path)
    model, optimizer = made(0)
    stepped(model, optimizer, 3)
    checkpoints.save(3, model, optimizer)
    other, others = made(1)
    assert checkpoints.restore(other, others) == 3
    assert other.second.weight is other.first.weight
    assert all(torch.equal(a, b) for a, b in zip(state(optimizer), state(others), strict=True))
    assert len(state(others)) == tensors
    ends = stepped(model, optimizer, 2), stepped(other, others, 2)
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    checkpoints = StageCheckpoints(tmp_path)
    model, optimizer = made(0)
    for step in (5, 10, 100):
        checkpoints.save(step, model, optimizer)
        assert checkpoints.newest() == (step, tmp_path / f"step-{step:07d}")
        assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", ["no done", "no shard", "short shard"])
def test_what_is_not_whole_does_not_count(tmp_path: Path, damage: str) -> None:
    """A kill may come before ``done.json`` is written, or while a folder is being removed."""
    checkpoints = StageCheckpoints(tmp_path)
    model, optimizer = made(0)
    checkpoints.save(4, model, optimizer)
    shutil.copytree(tmp_path / "step-0000004", tmp_path / "kept")
    stepped(model, optimizer, 1)
    checkpoints.save(8, model, optimizer)
    (tmp_path / "kept").rename(tmp_path / "step-0000004")
    newest = tmp_path / "step-0000008"
    (shard,) = newest.glob("*.safetensors")
    if damage == "no done":
        (newest / "done.json").unlink()
    elif damage == "no shard":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:-1])
    assert checkpoints.newest() == (4, tmp_path / "step-0000004")
    assert checkpoints.restore(*made(1)) == 4
    # And the same step can be saved again over what is left.
    checkpoints.save(8, model, optimizer)
    assert checkpoints.newest() == (8, newest)


def test_files_are_safetensors_and_json_alone(planned: Planned, tmp_path: Path) -> None:
    """Nothing that is read by unpickling."""
    stage = planned.stage(tmp_path, steps=3, checkpoint_every=2)
    train_stage(stage, lambda done, loss: None)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != stage.log]
    assert {path.suffix for path in files} == {".safetensors", ".json"}
    names: set[str] = set()
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
            continue
        with safe_open(path, "pt") as held:
            names |= set(held.keys())
    assert {name.split(".")[0] for name in names} == {"model", "optimizer"}
    assert any("vision_tower" in name and name.endswith("exp_avg_sq") for name in names)


def test_full_disk_is_an_error_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*words: Any, **options: Any) -> None:
        raise CheckpointException("write", {0: (OSError(errno.ENOSPC, "No space left on device"), StackSummary())})

    monkeypatch.setattr("polysee.training.checkpoint.save", full)
    checkpoints = StageCheckpoints(tmp_path)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.save(1, *made(0))
    assert checkpoints.newest() is None
