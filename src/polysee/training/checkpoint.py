"""Checkpoints of training in progress: weights, optimizer and the number of finished steps.

Written by torch.distributed.checkpoint, so that every rank saves its own shards, into safetensors files: its usual
storage keeps an index that is read by unpickling.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save

from polysee.store.atomic import crash_point, write_json
from polysee.training.optimizers import fill

_FLAT = StateDictOptions(flatten_optimizer_state_dict=True)


@dataclass(frozen=True, slots=True)
class StageCheckpoints:
    """Step checkpoints below one folder, the newest kept.

    A checkpoint counts once its ``done.json`` is there, and as long as all files that it names are, in full size.
    """

    folder: Path

    def newest(self) -> tuple[int, Path] | None:
        """Finished steps and the folder of the newest whole checkpoint."""
        whole = [path for path in self.folder.glob("step-*") if _is_whole(path)]
        if not whole:
            return None
        last = max(whole, key=lambda path: int(path.name.removeprefix("step-")))
        return int(last.name.removeprefix("step-")), last

    def save(self, step: int, model: Any, optimizers: Sequence[torch.optim.Optimizer], *, main: bool = True) -> None:
        """Save after ``step`` finished steps, then forget the older ones. Every rank calls it; ``main`` tidies up."""
        path = self.folder / f"step-{step:07d}"
        if main:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        for optimizer in optimizers:
            fill(optimizer)
        crash_point()
        with _single_process():
            try:
                save(_tensors(_state(model, optimizers)), storage_writer=_writer(path))
            except CheckpointException as error:
                # It is no `Exception`; what it gathered from the ranks are errors of writing.
                raise OSError(str(error)) from error
        crash_point()
        if main:
            sizes = {file.name: file.stat().st_size for file in sorted(path.iterdir())}
            write_json(path / "done.json", {"step": step, "files": {**sizes}})
            for old in self.folder.glob("step-*"):
                if old != path:
                    shutil.rmtree(old, ignore_errors=True)

    def restore(self, model: Any, optimizers: Sequence[torch.optim.Optimizer]) -> int:
        """Load the newest checkpoint into both and return its finished steps; 0 where there is none."""
        found = self.newest()
        if found is None:
            return 0
        step, path = found
        for optimizer in optimizers:
            fill(optimizer)
        state = _state(model, optimizers)
        # The tensors are loaded in place: names that share one tensor (a tied output layer) all see it.
        with _single_process():
            load(_tensors(state), storage_reader=HuggingFaceStorageReader(str(path)))
        set_model_state_dict(model, state["model"])
        set_optimizer_state_dict(model, optimizers, state["optimizer"], options=_FLAT)
        return step


def _writer(path: Path) -> HuggingFaceStorageWriter:
    # Without `save_distributed` all ranks write one file, each over what another wrote.
    return HuggingFaceStorageWriter(str(path), save_distributed=True)


def _is_whole(path: Path) -> bool:
    """A folder is not removed at once: what a kill left of one may still have its ``done.json``."""
    done = path / "done.json"
    if not done.is_file():
        return False
    sizes = json.loads(done.read_bytes())["files"]
    return all((path / name).is_file() and (path / name).stat().st_size == size for name, size in sizes.items())


def _state(model: Any, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, dict[str, Any]]:
    return {
        "model": dict(get_model_state_dict(model)),
        "optimizer": dict(get_optimizer_state_dict(model, optimizers, options=_FLAT)),
    }


def _tensors(state: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What changes while training: all tensors once. Learning rates and the like follow from recipe and step."""
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for kind, entries in state.items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor) and id(value) not in seen and value.data_ptr() not in seen:
                found[f"{kind}.{name}"] = value
                seen |= {id(value), value.data_ptr()}
    return found


class _single_process(warnings.catch_warnings):
    """Quiet about there being one process only."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        return entered
