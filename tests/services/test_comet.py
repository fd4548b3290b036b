"""COMET itself, in the environment that `polysee doctor --install comet` makes: tiny models with random weights.

The environment in the user's cache is used; where there is none it is made for this test (gigabytes, minutes).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from polysee.cli.doctor import doctor
from polysee.schema.errors import UserError
from polysee.services import environments
from polysee.services.base import Failure, Translation
from polysee.services.config import QualityConfig
from polysee.services.ledger import read_totals
from polysee.services.open import Services
from polysee.services.quality import CometEstimator

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
PAIRS = json.loads((HERE / "comet_pairs.json").read_text(encoding="utf-8"))
BARE = [Translation(pair["src"], pair["mt"]) for pair in PAIRS]
WITH_REFERENCES = [Translation(pair["src"], pair["mt"], pair["ref"]) for pair in PAIRS]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if environments.is_installed("comet"):
        return environments.interpreter("comet")
    index = ["-m", "pip", "index", "versions", "unbabel-comet"]
    if subprocess.run([sys.executable, *index], check=False, capture_output=True).returncode:
        pytest.skip("COMET is not installed, and PyPI cannot be reached")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        done = CliRunner().invoke(doctor, ["--install", "comet"], catch_exceptions=False)
        assert done.exit_code == 0
        return environments.interpreter("comet")


@pytest.fixture(scope="module")
def models(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    made = subprocess.run(
        [python, "-P", HERE / "make_comet_models.py", folder], check=False, capture_output=True, encoding="utf-8"
    )
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted weights stay out of the user's cache, and nothing is asked of the Hub."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("kind", ["kiwi", "xcomet", "referenceless", "regression"])
def test_values_are_those_that_comet_gives_itself(kind: str, models: Path, python: Path, tmp_path: Path) -> None:
    config = QualityConfig(name="judge", model=str(models / kind), python=str(python), batch=2)
    expected = json.loads((models / "values.json").read_text(encoding="utf-8"))[kind]
    services = Services((config,), tmp_path / ".services")
    values = services.quality("judge").estimate([*BARE[:2], *WITH_REFERENCES, *BARE[2:]])
    without, with_them = values[:2] + values[7:], values[2:7]
    assert with_them == pytest.approx(expected["with"], abs=1e-5)
    if kind == "regression":
        assert all(isinstance(value, Failure) and "reference" in value.detail for value in without)
    else:
        assert without == pytest.approx(expected["without"], abs=1e-5)
        assert len(set(without)) == len(PAIRS)
    services.close()
    asked = len(set(BARE + WITH_REFERENCES))
    if kind != "regression":
        kept = Services((config.model_copy(update={"python": "/nowhere"}),), tmp_path / ".services")
        assert kept.quality("judge").estimate(BARE + WITH_REFERENCES) == without + with_them
        kept.close()
        (totals,) = read_totals(tmp_path / ".services")
        assert (totals.attempts, totals.hits) == (asked, asked)
    (weights,) = (environments.home() / "weights").iterdir()
    assert weights.suffix == ".safetensors"


def test_a_worker_that_is_killed_is_started_anew(models: Path, python: Path) -> None:
    estimator = CometEstimator(QualityConfig(name="judge", model=str(models / "kiwi"), python=str(python)))
    before = estimator.estimate(BARE)
    assert estimator._worker is not None
    first = estimator._worker._process
    os.kill(first.pid, 9)
    assert estimator.estimate(BARE) == pytest.approx(before)
    assert estimator._worker._process.pid != first.pid
    last = estimator._worker._process
    estimator.close()
    assert last.returncode is not None


def test_a_model_of_other_weights_is_refused(models: Path, python: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "hparams.yaml").write_text((models / "referenceless" / "hparams.yaml").read_text())
    (other / "encoder").symlink_to(models / "kiwi" / "encoder")
    (other / "checkpoints").symlink_to(models / "kiwi" / "checkpoints")
    config = QualityConfig(name="judge", model=str(other), python=str(python))
    with pytest.raises(UserError, match="cannot be loaded"):
        CometEstimator(config).estimate(BARE)
