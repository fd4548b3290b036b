"""One rank of a stage of the tiny chain: ``train_rank.py RUN FOLDER STOP_AT PLAN``; torchrun's variables say which.

Ends without any clean-up after STOP_AT steps, and prints the hash of its weights before.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from polysee.training.loop import train_stage
from tiny_chain import Planned


def main(run: Path, folder: Path, stop_at: int, plan: Path) -> None:
    torch.set_num_threads(1)
    stage = Planned(run).stage(folder, plan)

    def report(done: int, loss: float) -> None:
        if done == stop_at:
            digest = hashlib.sha256()
            for name, value in sorted(stage.model.state_dict().items()):
                digest.update(name.encode() + value.numpy().tobytes())
            print(torch.distributed.get_world_size(), digest.hexdigest(), flush=True)
            torch.distributed.barrier()
            os._exit(9)

    train_stage(stage, report)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
