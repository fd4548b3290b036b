"""A real sentence-transformers model, tiny and with random weights, saved as real ones are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def save_sentence_model(folder: Path, texts: Iterable[str]) -> Path:
    """A model in ``folder / "model"`` that knows every letter of ``texts``; its vectors have 16 numbers."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    base = folder / "bert"
    base.mkdir()
    letters = sorted({letter for text in texts for letter in text if letter != " "})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (base / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(str(base / "vocab.txt")).save_pretrained(base)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), **shape)).save_pretrained(base)
    model = SentenceTransformer(modules=[Transformer(str(base)), Pooling(16)], device="cpu")
    model.save(str(folder / "model"))
    return folder / "model"
