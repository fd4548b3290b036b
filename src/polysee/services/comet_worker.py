"""Run by the interpreter of COMET's environment, not by polysee's: judges translations that come in as lines of JSON.

In: a line ``{"batch": n, "items": [{"src", "mt", "ref"?}, …]}``. Out: a line ``{"scores": [x | {"error": text}, …]}``;
the first line out is ``{"ready": true}`` or ``{"error": text}``. All else goes to standard error.
"""

from __future__ import annotations

import inspect
import json
import os
import queue
import sys
import threading
from hashlib import sha256
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

    lines = _lines()
    try:
        model = _load(model_name, revision or None, Path(weights_folder))
    except Exception as error:
        say({"error": _named(error)})
        return
    say({"ready": True})
    while True:
        asked = json.loads(lines.get())
        say({"scores": _scores(model, asked["items"], asked["batch"])})


def _lines() -> queue.SimpleQueue[str]:
    """What comes in. Once the asker is gone this process ends at once, whatever it computes just then."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _scores(model: Any, items: list[dict[str, str]], batch: int) -> list[float | dict[str, str]]:
    found: dict[int, float | dict[str, str]] = {}
    # COMET takes the fields of a batch's first item for those of all.
    for has_reference in (True, False):
        chosen = [number for number, item in enumerate(items) if ("ref" in item) is has_reference]
        if not has_reference and model.requires_references():
            values: list[float | dict[str, str]] = [{"error": "this model wants a reference; CometKiwi wants none"}]
            values *= len(chosen)
        else:
            values = _judged(model, [items[number] for number in chosen], batch)
        found.update(zip(chosen, values, strict=True))
    return [found[number] for number in range(len(items))]


def _judged(model: Any, items: list[dict[str, str]], batch: int) -> list[float | dict[str, str]]:
    """A score or an error each. One that cannot be judged must not cost its neighbours: batches are halved to it."""
    import torch

    if not items:
        return []
    try:
        gpus = 1 if torch.cuda.is_available() else 0
        made = model.predict(items, batch_size=batch, gpus=gpus, progress_bar=False, num_workers=0)
        return [float(score) for score in made["scores"]]
    except Exception as error:
        if len(items) == 1:
            return [{"error": _named(error)}]
    middle = len(items) // 2
    return _judged(model, items[:middle], batch) + _judged(model, items[middle:], batch)


def _load(name: str, revision: str | None, weights_folder: Path) -> Any:
    import yaml  # type: ignore[import-untyped]
    from comet.models import str2model  # type: ignore[import-not-found]
    from safetensors.torch import load_file

    folder = Path(name) if Path(name).is_dir() else _download(name, revision)
    hparams = yaml.safe_load((folder / "hparams.yaml").read_text(encoding="utf-8"))
    weights = _converted(folder / "checkpoints" / "model.ckpt", weights_folder)
    kind = str2model[hparams["class_identifier"]]
    # Published files also name what the class does not take, such as `class_identifier` itself.
    chosen = {key: value for key, value in hparams.items() if key in inspect.signature(kind).parameters}
    if (folder / str(chosen.get("pretrained_model", ""))).is_dir():
        # A folder with its own tokenizer and configuration: nothing is fetched.
        chosen["pretrained_model"] = str(folder / chosen["pretrained_model"])
    model = kind(**{**chosen, "load_pretrained_weights": False})
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


def _converted(checkpoint: Path, weights_folder: Path) -> Path:
    """The weights of this very checkpoint as safetensors; written once, when they are first wanted."""
    stat = checkpoint.stat()
    mark = f"{checkpoint.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    target = weights_folder / f"{sha256(mark.encode()).hexdigest()[:16]}.safetensors"
    if not target.is_file():
        _convert(checkpoint, target)
    return target


def _convert(checkpoint: Path, target: Path) -> None:
    """Write the weights of a Lightning checkpoint as safetensors.

    Nothing but tensors and plain values is unpickled. A checkpoint may also name classes of its trainer's callbacks and
    parameters: empty classes of ours stand in for those, and torch refuses the names of modules that can do harm.
    """
    import torch
    from safetensors.torch import save_file
    from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

    foreign = get_unsafe_globals_in_checkpoint(checkpoint)
    stand_ins: list[Any] = [(type("StandIn", (_StandIn,), {}), name) for name in foreign]
    with safe_globals(stand_ins):
        state = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["state_dict"]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".partial-{os.getpid()}")
    # Cloned, because safetensors refuses tensors that share memory.
    save_file({key: value.contiguous().clone() for key, value in state.items()}, partial)
    os.replace(partial, target)


class _StandIn:
    """Takes any arguments and any state, and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main(*sys.argv[1:4])
