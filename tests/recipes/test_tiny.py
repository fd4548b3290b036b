"""The recipes that run on this machine's own data: run, exported, read again, trained on."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.engines.model_steps import kept_samples
from polysee.recipe.load import load_recipe
from polysee.report.data import gather
from polysee.report.wording import wording
from polysee.schema.errors import UserError
from polysee.schema.provenance import provenance
from polysee.sources.base import EVALUATION_ONLY
from polysee.sources.readback import open_export
from polysee.sources.tuxpaint import SYSTEM_ROOT
from polysee.store.exports.selection import Wanted
from polysee.store.exports.write import Request, export
from polysee.store.run import RunStore
from polysee.transforms.translate import provenance_shares

RECIPES = Path(__file__).parents[2] / "recipes"
AGAIN = Path(__file__).with_name("again.yaml")
SMALL = (
    "sources.captions.params.themes=[naturalforces]",
    "sources.scenes.params.scenes={naming: 12, counting: 6, multi_image: 3}",
    "sources.scenes.params.evaluation.development=1",
    "sources.pages.params.pictures={text_region: 1}",
)
pytestmark = pytest.mark.skipif(
    shutil.which("apertium") is None or not SYSTEM_ROOT.is_dir(), reason="Apertium or Tux Paint's stamps are missing"
)


def _run(recipe: Path, path: Path, changes: Sequence[str] = ()) -> RunStore:
    loaded = load_recipe(recipe, tuple(changes))
    with RunStore(path) as store:
        run_steps(build_steps(loaded), store, workers=0)
    return RunStore.open_read_only(path)


def _exported_and_trained(store: RunStore, folder: Path) -> None:
    for kind in ("parquet", "m3it"):
        export(store, Request(kind, folder / kind, Wanted()), open_export)
    changes = [f"sources.exported.params.path={folder}/parquet", f"sources.rows.params.path={folder}/m3it"]
    again = _run(AGAIN, folder / "runs" / "again", changes)
    assert {s.id for s in kept_samples(store, "train")} == {s.id for s in kept_samples(again, "train")}
    losses = [json.loads(line)["loss"] for line in (again.path / "train.jsonl").read_text().splitlines()]
    assert len(losses) == 24
    assert all(map(math.isfinite, losses))
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def _checked_m3it(store: RunStore) -> None:
    train, held_out = kept_samples(store, "train"), kept_samples(store, "held-out")
    assert len({sample.language for sample in train}) >= 20
    assert all(len(sample.turns) == 1 and sample.instruction for sample in train)
    translated = [sample for sample in held_out if provenance(sample) == "translated"]
    assert {sample.language for sample in translated} == {"es", "ca", "gl", "eo"}
    assert all(EVALUATION_ONLY in sample.tags for sample in translated)
    assert not any(EVALUATION_ONLY in sample.tags for sample in train)
    regions = [sample for sample in train if sample.task == "text_region"]
    assert regions
    assert all(ref.box is None for sample in regions for ref in sample.media)


def _dropped(store: RunStore, select: str) -> int:
    return sum(n for row in store.funnel() for reason, n in row.dropped if reason == select)


def test_m3it_in_small_is_exported_read_again_and_trained_on(tmp_path: Path) -> None:
    store = _run(RECIPES / "m3it-tiny.yaml", tmp_path / "runs" / "m3it-tiny", SMALL)
    _checked_m3it(store)
    _exported_and_trained(store, tmp_path)


def test_translated_evaluation_data_are_refused_as_training_data(tmp_path: Path) -> None:
    small = (*SMALL, "transforms.translate.params.splits=[train]")
    with pytest.raises(UserError, match="translations for evaluation only are asked of samples of the split 'train'"):
        _run(RECIPES / "m3it-tiny.yaml", tmp_path / "runs" / "m3it-tiny", small)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m3it-tiny", "visionblocks-tiny", "ain-data-tiny"])
def test_the_whole_recipe(name: str, tmp_path: Path) -> None:
    store = _run(RECIPES / f"{name}.yaml", tmp_path / "runs" / name)
    train = kept_samples(store, "train")
    shares = provenance_shares(train)
    shown = {row.tongue.tag: row.samples for row in wording(gather(store.path)).rows}
    assert set(shown) == set(shares)
    if name == "m3it-tiny":
        _checked_m3it(store)
        _exported_and_trained(store, tmp_path)
    elif name == "visionblocks-tiny":
        assert len(shares) == 19
        assert {"ca", "gl", "eo"} <= {tag for tag, share in shares.items() if share.translated == 1}
        assert any(not sample.media for sample in train)
        assert any(ref.kind == "video" for sample in train for ref in sample.media)
        assert 0 < _dropped(store, "good_translation") < 40
    else:
        assert set(shares) == {"ar", "en", "es"}
        assert shares["ar"].authentic == 1
        assert 0.3 < shares["es"].authentic < 0.7
        # "at the top" becomes a cup, "left" something that was left.
        assert 40 < _dropped(store, "good_translation") < 110
