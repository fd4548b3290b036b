"""COMET's process, played by a script that speaks its protocol: what is ours is the protocol and its faults."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from polysee.schema.errors import UserError
from polysee.services import environments
from polysee.services.base import Failure, Translation
from polysee.services.config import QualityConfig
from polysee.services.open import Services
from polysee.services.quality import CometEstimator

# Stands in for the interpreter of COMET's environment: it runs the real worker, with modules of the names that the
# worker imports put before it.
LIBRARIES = {
    "comet/__init__.py": "",
    "comet/models/__init__.py": """
import sys

class Made(dict):
    pass

class Model:
    def __init__(self, load_pretrained_weights, **hparams):
        assert not load_pretrained_weights
    def load_state_dict(self, state, strict):
        print("chatter that must not reach the channel")
        return [], []
    def eval(self):
        return self
    def predict(self, items, batch_size, gpus, progress_bar, num_workers):
        if any(item["mt"] == "die" for item in items):
            sys.exit(3)
        if any(item["mt"] == "fail" for item in items):
            raise ValueError("out of memory")
        return Made(scores=[float("nan") if i["mt"] == "nan" else len(i["mt"]) / len(i["src"]) for i in items])

str2model = {"unified_metric": Model}
""",
    "safetensors/__init__.py": "",
    "safetensors/torch.py": "def load_file(path):\n    return {}\n",
    "torch.py": "class cuda:\n    is_available = staticmethod(lambda: False)\n",
    "yaml.py": "def safe_load(text):\n    return {'class_identifier': 'unified_metric'}\n",
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QualityConfig:
    for name, text in LIBRARIES.items():
        path = tmp_path / "libraries" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    model = tmp_path / "model"
    model.mkdir()
    (model / "hparams.yaml").write_text("class_identifier: unified_metric\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "libraries"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = QualityConfig(name="judge", model=str(model), python=sys.executable)
    weights = Path(CometEstimator(config)._command()[-1]) / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    return config


def test_values_come_back_in_order_and_are_kept(config: QualityConfig, tmp_path: Path) -> None:
    services = Services((config,), tmp_path / ".services")
    judged = [Translation("ابجد", "অআ", target_language="bn"), Translation("ab", "猫猫猫"), Translation("abcd", "ก")]
    assert services.quality("judge").estimate(judged) == [0.5, 1.0, 0.25]
    services.close()
    gone = Services((config.model_copy(update={"python": "/nowhere/python"}),), tmp_path / ".services")
    assert gone.quality("judge").estimate(judged) == [0.5, 1.0, 0.25]
    gone.close()


def test_what_fails_is_a_failure(config: QualityConfig) -> None:
    estimator = CometEstimator(config)
    nan, fine = estimator.estimate([Translation("ab", "nan"), Translation("ab", "c")])
    assert isinstance(nan, Failure)
    assert fine == 0.5
    assert estimator.estimate([Translation("a", "fail")]) == [Failure("no-estimate", "ValueError: out of memory")]
    assert estimator.estimate([Translation("ab", "c")]) == [0.5]
    with pytest.raises(UserError, match="process ended"):
        estimator.estimate([Translation("a", "die")])
    estimator.close()


def test_a_model_that_cannot_be_loaded(config: QualityConfig, tmp_path: Path) -> None:
    (tmp_path / "model" / "hparams.yaml").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        CometEstimator(config).estimate([Translation("a", "b")])


def test_without_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    services = Services((QualityConfig(name="judge"),), tmp_path / ".services")
    with pytest.raises(UserError) as caught:
        services.probe(["judge"])
    assert caught.value.fix == "polysee doctor --install comet"
    services.close()


def test_an_environment_is_made_and_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(environments.PACKAGES, "comet", ())
    with pytest.raises(UserError, match="pip could not install"):
        environments.install("comet", pip_arguments=("--no-index", "polysee-has-no-such-package"))
    assert not environments.is_installed("comet")
    python = environments.install("comet", pip_arguments=("--no-index", "pip"))
    assert environments.is_installed("comet")
    assert subprocess.run([python, "-c", "import torch"], check=False, capture_output=True).returncode == 1


def test_the_constraints_ship_with_the_package() -> None:
    text = (files("polysee.services") / "comet-constraints.txt").read_text(encoding="utf-8")
    assert "unbabel-comet" in text
