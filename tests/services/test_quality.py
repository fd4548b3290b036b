"""COMET's process with libraries that are played (`test_comet.py` has the real ones): the protocol and its faults."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from polysee.schema.errors import UserError
from polysee.services import environments
from polysee.services.base import Failure, Translation
from polysee.services.comet_worker import _convert, _converted
from polysee.services.config import QualityConfig
from polysee.services.open import Services
from polysee.services.quality import CometEstimator
from services.played_comet import play


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QualityConfig:
    return play(tmp_path, monkeypatch)


def test_values_come_back_in_order_and_are_kept(config: QualityConfig, tmp_path: Path) -> None:
    services = Services((config,), tmp_path / ".services")
    judged = [Translation("ابجد", "অআ", target_language="bn"), Translation("ab", "猫猫猫"), Translation("abcd", "ก")]
    assert services.quality("judge").estimate(judged) == [0.5, 1.0, 0.25]
    services.close()
    gone = Services((config.model_copy(update={"python": "/nowhere/python"}),), tmp_path / ".services")
    assert gone.quality("judge").estimate(judged) == [0.5, 1.0, 0.25]
    gone.close()


def test_references_may_be_there_for_some(config: QualityConfig) -> None:
    estimator = CometEstimator(config)
    mixed = [
        Translation("abcd", "ሀ"),
        Translation("abcd", "ሀ", "ሀለ"),
        Translation("ab", "ሀ"),
        Translation("a", "क", "कख"),
    ]
    assert estimator.estimate(mixed) == [0.25, 0.5, 0.5, 0.5]
    estimator.close()


def test_what_fails_costs_no_other_its_value(config: QualityConfig) -> None:
    estimator = CometEstimator(config)
    nan, fine = estimator.estimate([Translation("ab", "nan"), Translation("ab", "c")])
    assert isinstance(nan, Failure)
    assert fine == 0.5
    many = [Translation("ab", "fail" if number == 5 else "ค") for number in range(8)]
    values = estimator.estimate(many)
    assert values.pop(5) == Failure("no-estimate", "ValueError: out of memory")
    assert values == [0.5] * 7
    estimator.close()


def test_a_worker_that_dies_is_started_anew(config: QualityConfig) -> None:
    estimator = CometEstimator(config)
    assert estimator.estimate([Translation("ab", "c")]) == [0.5]
    assert estimator.estimate([Translation("abcdefghijklmnop", "die once")]) == [0.5]
    with pytest.raises(UserError, match=r"process ended twice \(3: the last words: 再见\)"):
        estimator.estimate([Translation("a", "die")])
    assert estimator.estimate([Translation("ab", "c")]) == [0.5]
    assert estimator._worker is not None
    estimator._worker._process.kill()
    assert estimator.estimate([Translation("ab", "猫")]) == [0.5]
    estimator.close()


CHILD = """
import sys
from polysee.services.base import Translation
from polysee.services.config import QualityConfig
from polysee.services.quality import CometEstimator

estimator = CometEstimator(QualityConfig(name="judge", model=sys.argv[1], python=sys.executable))
estimator.estimate([Translation("a", "b")])
print(estimator._worker._process.pid, flush=True)
estimator.estimate([Translation("a", "hang")])
"""


def test_a_worker_ends_with_who_asked_even_in_the_midst_of_a_batch(config: QualityConfig) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, config.model], stdout=subprocess.PIPE, text=True) as asker:
        assert asker.stdout is not None
        worker = int(asker.stdout.readline())
        time.sleep(0.3)
        os.kill(worker, 0)
        asker.kill()
    for _ in range(300):
        if not Path(f"/proc/{worker}").exists() or "\nState:\tZ" in Path(f"/proc/{worker}/status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the worker is still there")


def test_a_model_that_cannot_be_loaded(config: QualityConfig, tmp_path: Path) -> None:
    (tmp_path / "model" / "hparams.yaml").unlink()
    with pytest.raises(UserError, match="cannot be loaded"):
        CometEstimator(config).estimate([Translation("a", "b")])


def test_without_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    services = Services((QualityConfig(name="judge"),), tmp_path / ".services")
    for left in (False, True):
        with pytest.raises(UserError) as caught:
            services.probe(["judge"])
        assert caught.value.fix == "polysee doctor --install comet"
        if not left:
            # An environment whose Python was removed from the machine.
            (environments.home() / "comet").mkdir(parents=True)
            (environments.home() / "comet" / "complete").touch()
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


class Command:
    """What a hostile file would hold: unpickled as usual, it runs a command."""

    def __init__(self, module: str, path: Path) -> None:
        self._call = (module, f"open({str(path)!r}, 'w').close()" if module == "builtins" else f"touch {path}")

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return ({"builtins": exec, "posix": os.system}[self._call[0]], (self._call[1],))


@pytest.mark.parametrize("module", ["builtins", "posix"])
def test_a_checkpoint_runs_nothing(module: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    state = {"layer.weight": torch.ones(2, 3), "same": torch.zeros(1)}
    state["shared"] = state["layer.weight"][:, :2]
    harm = tmp_path / "harm"
    # Lightning keeps counters, paths and the like of its callbacks beside the weights.
    beside = {"callbacks": {"seen": Counter("猫"), "folder": tmp_path}, "hyper": Command(module, harm)}
    checkpoint = tmp_path / "model.ckpt"
    torch.save({"state_dict": state, **beside}, checkpoint)
    if module == "posix":
        with pytest.raises(pickle.UnpicklingError):
            _convert(checkpoint, tmp_path / "weights.safetensors")
    else:
        target = _converted(checkpoint, tmp_path / "weights")
        loaded = load_file(target)
        assert sorted(loaded) == ["layer.weight", "same", "shared"]
        assert loaded["shared"].shape == (2, 2)
        again = target.stat().st_mtime_ns
        assert _converted(checkpoint, tmp_path / "weights") == target
        assert target.stat().st_mtime_ns == again
        torch.save({"state_dict": {"other": torch.ones(1)}}, checkpoint)
        assert list(load_file(_converted(checkpoint, tmp_path / "weights"))) == ["other"]
    assert not harm.exists()
