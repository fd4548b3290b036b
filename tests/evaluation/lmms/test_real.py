"""lmms-eval itself, in its environment, on two tasks of four pictures each: one written, one weighed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from polysee.evaluation.lmms.environment import NAME
from polysee.evaluation.lmms.run import evaluate_lmms
from polysee.inference.checkpoint import load_checkpoint
from polysee.inference.encoder import encode_prompt, media_key
from polysee.inference.features import image_features
from polysee.inference.likelihood import Question, option_scores
from polysee.models.save import save_hub_folder
from polysee.models.tiles import TilePolicy
from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef, Origin, Turn, make_sample
from polysee.services.environments import is_installed
from tiny_model import TILE, WORDS

UTILS = """
from PIL import Image

def pictures(doc):
    return [Image.open(doc["picture"])]

def question(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]

def score(doc, results):
    return {"right": float(results[0] == doc["answer"]), "letters": {"score": min(1.0, len(results[0]) / 8)}}

def broken(doc, results):
    raise KeyError("ሥዕል")
"""

COMMON = """
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
doc_to_visual: !function utils.pictures
doc_to_text: !function utils.question
doc_to_target: answer
metadata: {{version: 1.0}}
"""
WRITTEN = """
output_type: generate_until
generation_kwargs: {{max_new_tokens: 8, until: ["\\n"]}}
process_results: !function utils.{score}
metric_list:
  - {{metric: right, aggregation: mean, higher_is_better: true}}
"""
WEIGHED = """
output_type: multiple_choice
doc_to_choice: choices
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Four pictures of noise, one of them of two tiles, each asked about in a language of its own."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    found = []
    for number, language in enumerate(("ar", "zh", "th", "am")):
        *names, asked = WORDS[language]
        size = (TILE, 2 * TILE if number == 1 else TILE, 3)
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(path)
        found.append({"picture": str(path), "question": asked, "answer": names[number], "choices": names})
    return found


@pytest.fixture(scope="module")
def tasks(documents: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in documents), encoding="utf-8")
    (folder / "utils.py").write_text(UTILS, encoding="utf-8")
    common = COMMON.format(data=data)
    for name, rest in (
        ("polysee_written", WRITTEN.format(score="score")),
        ("polysee_broken", WRITTEN.format(score="broken")),
        ("polysee_weighed", WEIGHED),
    ):
        (folder / f"{name}.yaml").write_text(f"task: {name}\n{common}{rest}", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_lmms_eval_scores_as_polysee_does(
    documents: list[dict[str, Any]], tasks: Path, model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    if not is_installed(NAME):
        pytest.skip(f"polysee doctor --install {NAME}")
    folder = tmp_path / "checkpoint"
    save_hub_folder(model, tokenizer, TilePolicy(TILE, 4), folder)
    names = [f"lmms:{tasks}/{name}" for name in ("polysee_written", "polysee_weighed@ar")]
    folded = evaluate_lmms(folder, names, tmp_path / "out", batch=4)
    cells = {(score.task, score.metric, score.language): score for score in folded.scores}
    assert set(cells) == {("lmms:polysee_written", "right", "und"), ("lmms:polysee_weighed", "acc", "ar")}
    assert all(score.n == 4 and score.low <= score.value <= score.high for score in cells.values())

    (logged,) = (tmp_path / "out" / "lmms" / "polysee_weighed@ar").rglob("*_samples_*.jsonl")
    losses = [
        [float(loss) for loss, _ in json.loads(line)["filtered_resps"]]
        for line in logged.read_text(encoding="utf-8").split("\n")
        if line
    ]
    own = own_scores(folder, documents)
    np.testing.assert_allclose(losses, -np.asarray(own), rtol=1e-3)
    right = [
        row["choices"][int(np.argmax(scores))] == row["answer"] for row, scores in zip(documents, own, strict=True)
    ]
    assert cells["lmms:polysee_weighed", "acc", "ar"].value == np.mean(right)

    with pytest.raises(UserError, match="polysee_broken"):
        evaluate_lmms(folder, [f"lmms:{tasks}/polysee_broken"], tmp_path / "out")


def own_scores(folder: Path, documents: Sequence[dict[str, Any]]) -> list[list[float]]:
    """Log likelihoods of the choices as polysee computes them."""
    loaded = load_checkpoint(folder, device="cpu")
    questions, tiles = [], {}
    for number, row in enumerate(documents):
        data = Path(row["picture"]).read_bytes()
        with Image.open(row["picture"]) as opened:
            width, height = opened.size
        ref = MediaRef(f"{number:064x}", "image", width, height)
        tiles[media_key(ref)] = loaded.tiling.cut(data)
        sample = make_sample(
            task="choice",
            language="ar",
            turns=(Turn("", row["answer"]),),
            origin=Origin("toy", str(number), "CC0-1.0"),
            media=(ref,),
            instruction=row["question"],
            options=tuple(row["choices"]),
        )
        options = tuple(tuple(loaded.encoder.answer_ids(choice)) for choice in row["choices"])
        questions.append(Question(encode_prompt(loaded.encoder, sample, tiles), options))
    features = image_features(loaded.model, tiles, loaded.normalisation)
    image = loaded.encoder.image_token_id
    return option_scores(loaded.model, questions, features, image_token_id=image, batch=1)
