"""Checkpoints of a stage in progress: weights, optimizer and the number of finished steps, by torch's DCP."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from polysee.store.atomic import crash_point, write_json


@dataclass(frozen=True, slots=True)
class StageCheckpoints:
    """Step checkpoints below one folder, the newest kept. A checkpoint counts once its ``done.json`` is there."""

    folder: Path

    def newest(self) -> tuple[int, Path] | None:
        """Finished steps and the folder of the newest whole checkpoint."""
        whole = [path for path in self.folder.glob("step-*") if (path / "done.json").is_file()]
        if not whole:
            return None
        last = max(whole, key=lambda path: int(path.name.removeprefix("step-")))
        return int(last.name.removeprefix("step-")), last

    def save(self, step: int, model: Any, optimizer: torch.optim.Optimizer, *, main: bool) -> None:
        """Save after ``step`` finished steps, then forget the older ones. Every rank calls it; ``main`` tidies up."""
        path = self.folder / f"step-{step:07d}"
        if main:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        crash_point()
        weights, state = get_state_dict(model, optimizer)
        save({"model": weights, "optimizer": state}, checkpoint_id=path)
        crash_point()
        if main:
            write_json(path / "done.json", {"step": step})
            for old in self.folder.glob("step-*"):
                if old != path:
                    shutil.rmtree(old, ignore_errors=True)

    def restore(self, model: Any, optimizer: torch.optim.Optimizer) -> int:
        """Load the newest checkpoint into both and return its finished steps; 0 where there is none."""
        found = self.newest()
        if found is None:
            return 0
        weights, state = get_state_dict(model, optimizer)
        target: dict[str, Any] = {"model": weights, "optimizer": state}
        load(target, checkpoint_id=found[1])
        set_state_dict(model, optimizer, model_state_dict=target["model"], optim_state_dict=target["optimizer"])
        return found[0]
