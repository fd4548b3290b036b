"""The optimizers of a stage: AdamW, or Muon for matrices with AdamW for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from polysee.training.config import Part, StageConfig

BETAS = (0.9, 0.98)
MOMENTUM = 0.95


def build_optimizers(parts: Mapping[Part, nn.Module], config: StageConfig) -> list[torch.optim.Optimizer]:
    """One optimizer or two over what the stage trains; every group holds its peak rate as ``peak``.

    Muon takes the weights of linear layers. Embeddings stay with AdamW: their rows are vectors of their own, which a
    step that is orthogonal over the whole matrix would mix.
    """
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for name in config.train:
        linear = {id(module.weight) for module in parts[name].modules() if isinstance(module, nn.Linear)}
        by_muon = linear if config.optimizer == "muon" else set()
        rate = config.learning_rate[name]
        for groups, wanted in (
            (matrices, [p for p in parts[name].parameters() if id(p) in by_muon]),
            (others, [p for p in parts[name].parameters() if id(p) not in by_muon]),
        ):
            if wanted:
                groups.append({"params": wanted, "lr": rate, "peak": rate})
    decay = config.weight_decay
    made: list[torch.optim.Optimizer] = []
    if others:
        made.append(torch.optim.AdamW(others, betas=BETAS, weight_decay=decay, fused=True))
    if matrices:
        made.append(torch.optim.Muon(matrices, weight_decay=decay, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"))
    return made


def fill(optimizer: torch.optim.Optimizer) -> None:
    """Give an optimizer the state it starts from where it has none yet: a part that no step reached has no gradient."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad and not optimizer.state[parameter]:
                optimizer.state[parameter] = _first_state(parameter, group)


def _first_state(parameter: torch.Tensor, group: dict[str, Any]) -> dict[str, torch.Tensor]:
    zeros = torch.zeros_like(parameter, memory_format=torch.preserve_format)
    if "momentum" in group:
        return {"momentum_buffer": zeros}
    # The fused kernel counts its steps on the device.
    count = torch.zeros((), device=parameter.device if group["fused"] else None)
    return {"step": count, "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
