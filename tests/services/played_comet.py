"""Libraries that play COMET's, for tests of our side of it: the real worker, run by this very Python, finds them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from polysee.services.config import QualityConfig

LIBRARIES = {
    "comet/__init__.py": "",
    "comet/models/__init__.py": """
import pathlib, sys, time

class Made(dict):
    pass

class Model:
    def __init__(self, load_pretrained_weights, pretrained_model):
        assert not load_pretrained_weights
        assert pretrained_model.endswith("model/encoder")
    def load_state_dict(self, state, strict):
        print("chatter that must not reach the channel")
        return [], []
    def eval(self):
        return self
    def requires_references(self):
        return False
    def predict(self, items, batch_size, gpus, progress_bar, num_workers):
        # As COMET does: the first item says what all have.
        rows = [{key: item[key] for key in items[0]} for item in items]
        once = pathlib.Path(__file__).parent / "died"
        asked = {row["mt"] for row in rows}
        if "die" in asked or "die once" in asked and not once.exists():
            once.touch()
            print("the last words: 再见", file=sys.stderr)
            sys.stderr.flush()
            import os
            os._exit(3)
        if "hang" in asked:
            time.sleep(600)
        if "fail" in asked:
            raise ValueError("out of memory")
        return Made(scores=[
            float("nan") if r["mt"] == "nan" else len(r["mt"]) / len(r.get("ref", r["src"])) for r in rows])

str2model = {"unified_metric": Model}
""",
    "safetensors/__init__.py": "",
    "safetensors/torch.py": """
import pathlib

def load_file(path):
    return {}

def save_file(state, path):
    pathlib.Path(path).touch()
""",
    "torch/__init__.py": """
class cuda:
    is_available = staticmethod(lambda: False)

def load(path, **named):
    assert named["weights_only"]
    return {"state_dict": {}}
""",
    "torch/serialization.py": """
import contextlib

get_unsafe_globals_in_checkpoint = lambda path: []
safe_globals = contextlib.nullcontext
""",
    "yaml.py": "def safe_load(text):\n    return dict(line.split(': ') for line in text.splitlines())\n",
}


def play(folder: Path, monkeypatch: pytest.MonkeyPatch) -> QualityConfig:
    """A service whose model says how long a translation is beside its reference, or else beside its source.

    The translations ``nan``, ``fail``, ``die``, ``die once`` and ``hang`` have it do that.
    """
    for name, text in LIBRARIES.items():
        path = folder / "libraries" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    model = folder / "model"
    (model / "encoder").mkdir(parents=True)
    (model / "checkpoints").mkdir()
    (model / "checkpoints" / "model.ckpt").write_bytes(b"weights")
    (model / "hparams.yaml").write_text("class_identifier: unified_metric\npretrained_model: encoder\nloss: mse\n")
    monkeypatch.setenv("PYTHONPATH", str(folder / "libraries"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return QualityConfig(name="judge", model=str(model), python=sys.executable)
