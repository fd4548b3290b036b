"""Run by the interpreter of COMET's environment: tiny models with random weights, saved as COMET's trainer saves them.

``make_comet_models.py FOLDER`` makes a folder for each of COMET's kinds: ``hparams.yaml``, ``checkpoints/model.ckpt``
and, beside them, the tokenizer and configuration of a tiny XLM-R. ``values.json`` holds what COMET itself says of
``PAIRS``, loaded by its own function.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning
import sentencepiece
import torch
import yaml
from comet import load_from_checkpoint
from comet.models import str2model
from transformers import XLMRobertaConfig, XLMRobertaTokenizerFast, XLMRobertaXLConfig

PAIRS = json.loads((Path(__file__).with_name("comet_pairs.json")).read_text(encoding="utf-8"))
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "initializer_range": 0.5,
}
KINDS: dict[str, dict[str, Any]] = {
    "kiwi": {"class_identifier": "unified_metric", "input_segments": ["mt", "src"]},
    "xcomet": {
        "class_identifier": "xcomet_metric",
        "encoder_model": "XLM-RoBERTa-XL",
        "word_layer": 2,
        "word_level_training": True,
        "error_labels": ["minor", "major", "critical"],
        "cross_entropy_weights": [0.08, 0.486, 0.505, 0.533],
    },
    "referenceless": {"class_identifier": "referenceless_regression_metric"},
    "regression": {"class_identifier": "regression_metric"},
}


def make(folder: Path, name: str, more: dict[str, Any], vocabulary: int) -> None:
    """A model of one kind, as a folder of the Hub has it."""
    encoder = folder / name / "encoder"
    shutil.copytree(folder / "tokenizer", encoder)
    config = XLMRobertaXLConfig if more.get("encoder_model") else XLMRobertaConfig
    config(vocab_size=vocabulary, max_position_embeddings=130, **SHAPE).save_pretrained(encoder)
    hparams = {
        "encoder_model": "XLM-RoBERTa",
        "pretrained_model": str(encoder),
        "layer_transformation": "sparsemax",
        "hidden_sizes": [16, 8],
        "dropout": 0.1,
        "final_activation": "Sigmoid",
        "train_data": ["data/train.csv"],
        "validation_data": ["data/dev.csv"],
        **more,
    }
    torch.manual_seed(7)
    chosen = {key: value for key, value in hparams.items() if key != "class_identifier"}
    model = str2model[hparams["class_identifier"]](**chosen, load_pretrained_weights=False)
    # As training does: what is saved beside the weights has objects of the trainer in it.
    trainer = pytorch_lightning.Trainer(
        logger=False,
        accelerator="cpu",
        callbacks=[pytorch_lightning.callbacks.ModelCheckpoint(dirpath=folder / "callbacks")],
        enable_progress_bar=False,
    )
    trainer.strategy.connect(model)
    trainer.save_checkpoint(folder / name / "checkpoints" / "model.ckpt")
    (folder / name / "hparams.yaml").write_text(yaml.safe_dump(hparams), encoding="utf-8")


def judged(folder: Path, name: str) -> dict[str, list[float]]:
    """What COMET says of the pairs, with their references and without, as far as the model can do that."""
    model = load_from_checkpoint(str(folder / name / "checkpoints" / "model.ckpt"))
    found = {"with": model.predict(PAIRS, gpus=0, progress_bar=False, num_workers=0)["scores"]}
    if not model.requires_references():
        bare = [{key: text for key, text in pair.items() if key != "ref"} for pair in PAIRS]
        found["without"] = model.predict(bare, gpus=0, progress_bar=False, num_workers=0)["scores"]
    return found


def main(folder: Path) -> None:
    lines = [text for pair in PAIRS for text in pair.values()] * 20
    (folder / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "lines.txt"),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=300,
        character_coverage=1.0,
        hard_vocab_limit=False,
        model_type="unigram",
    )
    tokenizer = XLMRobertaTokenizerFast(vocab_file=str(folder / "sentencepiece.bpe.model"), model_max_length=128)
    tokenizer.save_pretrained(folder / "tokenizer")
    values = {}
    for name, more in KINDS.items():
        make(folder, name, more, len(tokenizer))
        values[name] = judged(folder, name)
        # A folder that is carried elsewhere names what lies in it.
        path = folder / name / "hparams.yaml"
        hparams = yaml.safe_load(path.read_text(encoding="utf-8")) | {"pretrained_model": "encoder"}
        path.write_text(yaml.safe_dump(hparams), encoding="utf-8")
    (folder / "values.json").write_text(json.dumps(values), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
