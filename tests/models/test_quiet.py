"""Loading and saving a model says nothing on the terminal, and leaves another program's bars as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers.utils import logging

from polysee.inference.checkpoint import load_checkpoint
from polysee.models.quiet import no_bars
from polysee.models.save import save_hub_folder
from polysee.models.tiles import TilePolicy
from tiny_model import TILE, tiny_model, tiny_tokenizer


def test_save_and_load_without_bars(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    folder = tmp_path / "model"
    model.save_pretrained(tmp_path / "loud")
    assert "Writing model shards" in capfd.readouterr().err
    save_hub_folder(model, tokenizer, TilePolicy(TILE, 4), folder)
    load_checkpoint(folder)
    assert capfd.readouterr() == ("", "")
    assert {path.stat().st_mode for path in folder.iterdir()} == {(folder / "config.json").stat().st_mode}


def _fails_inside() -> None:
    with no_bars():
        assert not logging.is_progress_bar_enabled()
        raise ZeroDivisionError


@pytest.mark.parametrize("before", [True, False])
def test_the_bars_come_back(before: bool) -> None:
    (logging.enable_progress_bar if before else logging.disable_progress_bar)()
    try:
        with pytest.raises(ZeroDivisionError):
            _fails_inside()
        assert logging.is_progress_bar_enabled() is before
    finally:
        logging.enable_progress_bar()
