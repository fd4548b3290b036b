"""Tiny random translation models in the files of the real ones: T5 as MADLAD-400 has it, M2M-100 as NLLB has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAIRS = (
    ("a dog", "es", "un perro"),
    ("a dog", "ar", "كلب"),
    ("a cat is here.", "es", "un gato"),
    ("a dog", "zh", "狗"),
)
STEPS = 160
LETTERS = "abcdefghijklmnopqrstuvwxyzáñ.!?[]0123456789 مرحباكلب狗在这里犬です"


def save_madlad(
    folder: Path, targets: tuple[str, ...] = ("en", "es", "ar", "zh", "ja", "no", "iw"), steps: int = STEPS
) -> Path:
    """A T5 with a Unigram tokenizer and target tokens ``<2xx>``."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration, T5TokenizerFast

    marks = [f"<2{target}>" for target in targets]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    vocabulary += [(character, -3.0) for character in sorted(set(LETTERS.replace(" ", "")))]
    tokenizer = T5TokenizerFast(vocab=vocabulary, extra_ids=0, additional_special_tokens=marks)
    torch.manual_seed(5)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=16,
        d_ff=64,
        dropout_rate=0.0,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
        tie_word_embeddings=False,
    )
    rows = [(f"<2{target}> {text}", answer) for text, target, answer in PAIRS if target in targets]
    inputs = [tokenizer(text)["input_ids"] for text, _ in rows]
    labels = [tokenizer(answer)["input_ids"] for _, answer in rows]
    model = (
        _taught(T5ForConditionalGeneration(config), inputs, labels, steps)
        if steps
        else T5ForConditionalGeneration(config)
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_nllb(folder: Path) -> Path:
    """An M2M-100 with a BPE tokenizer and FLORES-200 codes."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *sorted(set(LETTERS.replace(" ", "")))]
    tokenizer = NllbTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[])
    torch.manual_seed(7)
    config = M2M100Config(vocab_size=len(tokenizer), d_model=32, dropout=0.0, encoder_layers=1, decoder_layers=1,
                          encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
                          max_position_embeddings=600, decoder_start_token_id=2, scale_embedding=True,
                          attention_dropout=0.0, encoder_layerdrop=0.0, decoder_layerdrop=0.0)  # fmt: skip
    tokenizer.src_lang = "eng_Latn"
    inputs = [tokenizer(text)["input_ids"] for text, _, _ in PAIRS]
    codes = {"es": "spa_Latn", "ar": "arb_Arab", "zh": "zho_Hans"}
    labels = []
    for _, target, answer in PAIRS:
        letters = tokenizer(answer, add_special_tokens=False)["input_ids"]
        labels.append([tokenizer.convert_tokens_to_ids(codes[target]), *letters, tokenizer.eos_token_id])
    model = _taught(M2M100ForConditionalGeneration(config), inputs, labels)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _taught(model: Any, inputs: list[list[int]], labels: list[list[int]], steps: int = STEPS) -> Any:
    """The model after it has learnt the pairs by heart."""
    import torch

    pad = model.config.pad_token_id
    tokens, answers = _padded(inputs, pad), _padded(labels, -100)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.02)
    model.train()
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - step / steps)
        loss = model(input_ids=tokens, attention_mask=(tokens != pad).long(), labels=answers).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.15  # NLLB cannot know the language token, which `generate` forces
    return model.eval()


def _padded(rows: list[list[int]], value: int) -> Any:
    import torch

    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])
