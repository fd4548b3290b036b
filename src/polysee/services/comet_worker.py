"""Run by the interpreter of COMET's environment, not by polysee's: judges translations that come in as lines of JSON.

In: a line ``{"batch": n, "items": [{"src", "mt", "ref"?}, …]}``. Out: a line ``{"scores": [x, …]}`` or
``{"error": text}``; the first line out is ``{"ready": true}`` or an error. All else goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(model_name: str, revision: str, weights_folder: str) -> None:
    """Load the model and answer until the input ends."""
    # Libraries print; the channel must carry our lines alone.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    try:
        model = _load(model_name, revision or None, Path(weights_folder))
    except Exception as error:
        say({"error": f"{type(error).__name__}: {error}"})
        return
    say({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            say({"scores": _scores(model, asked["items"], asked["batch"])})
        except Exception as error:
            say({"error": f"{type(error).__name__}: {error}"})


def _scores(model: Any, items: list[dict[str, str]], batch: int) -> list[float]:
    import torch

    gpus = 1 if torch.cuda.is_available() else 0
    made = model.predict(items, batch_size=batch, gpus=gpus, progress_bar=False, num_workers=0)
    return [float(score) for score in made["scores"]]


def _load(name: str, revision: str | None, weights_folder: Path) -> Any:
    import yaml  # type: ignore[import-untyped]
    from comet.models import str2model  # type: ignore[import-not-found]
    from safetensors.torch import load_file

    folder = Path(name) if Path(name).is_dir() else _download(name, revision)
    hparams = yaml.safe_load((folder / "hparams.yaml").read_text(encoding="utf-8"))
    weights = weights_folder / "model.safetensors"
    if not weights.is_file():
        _convert(folder / "checkpoints" / "model.ckpt", weights)
    kind = str2model[hparams["class_identifier"]]
    hparams.pop("load_pretrained_weights", None)
    model = kind(**hparams, load_pretrained_weights=False)
    missing, unexpected = model.load_state_dict(load_file(weights), strict=False)
    # Buffers of position numbers come and go with versions of transformers; weights must all be there.
    lost = [key for key in missing if not key.endswith("position_ids")]
    if lost:
        raise ValueError(f"the checkpoint lacks {len(lost)} weights, such as {lost[0]}")
    if strange := [key for key in unexpected if not key.endswith("position_ids")]:
        print(f"the checkpoint has {len(strange)} weights that the model has not, such as {strange[0]}")
    return model.eval()


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=revision, allow_patterns=["hparams.yaml", "checkpoints/*"]))


def _convert(checkpoint: Path, target: Path) -> None:
    """Write the weights of a Lightning checkpoint as safetensors, once; nothing but tensors is unpickled."""
    import torch
    from safetensors.torch import save_file

    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".partial-{os.getpid()}")
    # Cloned, because safetensors refuses tensors that share memory.
    save_file({key: value.contiguous().clone() for key, value in state.items()}, partial)
    os.replace(partial, target)


if __name__ == "__main__":
    main(*sys.argv[1:4])
