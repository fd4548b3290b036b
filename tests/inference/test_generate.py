from __future__ import annotations

from typing import Any

import pytest
import torch

from polysee.inference.encoder import Prompt, encode_prompt, media_key
from polysee.inference.features import image_features
from polysee.inference.generate import greedy
from polysee.models.prompt import PromptEncoder
from polysee.schema.sample import Sample
from tiny_model import NORMALISATION, WORDS, question, read_tiles

NEW = 9


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [question(language, number, media=number % 3) for language in WORDS for number in range(4)]


def _run(model: Any, encoder: PromptEncoder, samples: list[Sample], batch: int, end_id: int) -> list[tuple[int, ...]]:
    tiles = {media_key(ref): read_tiles(ref) for sample in samples for ref in sample.media}
    return greedy(
        model,
        [encode_prompt(encoder, sample, tiles) for sample in samples],
        image_features(model, tiles, NORMALISATION),
        image_token_id=encoder.image_token_id,
        end_id=end_id,
        max_new_tokens=NEW,
        batch=batch,
    )


@torch.inference_mode()
def _plain(model: Any, encoder: PromptEncoder, sample: Sample) -> tuple[int, ...]:
    """One whole forward pass for each token, without padding and without a cache."""
    tiles = [read_tiles(ref) for ref in sample.media]
    ids = encoder.prompt_ids(sample, [len(t) for t in tiles])
    pixels = torch.cat([torch.from_numpy(NORMALISATION.apply(t)) for t in tiles]) if tiles else None
    new: list[int] = []
    for _ in range(NEW):
        logits = model(input_ids=torch.tensor([ids + new]), pixel_values=pixels, use_cache=False).logits
        new.append(int(logits[0, -1].argmax()))
    return tuple(new)


def test_padded_batches_answer_as_each_alone(model: Any, encoder: PromptEncoder, samples: list[Sample]) -> None:
    plain = [_plain(model, encoder, sample) for sample in samples]
    assert (
        len({len(encode_prompt(encoder, s, {media_key(r): read_tiles(r) for r in s.media}).ids) for s in samples}) > 3
    )
    for batch in (1, 7, 64):
        assert _run(model, encoder, samples, batch, end_id=-1) == plain


def test_stops_before_the_end_token(model: Any, encoder: PromptEncoder, samples: list[Sample]) -> None:
    plain = [_plain(model, encoder, sample) for sample in samples]
    end = plain[0][2]
    expected = [tokens[: tokens.index(end)] if end in tokens else tokens for tokens in plain]
    assert _run(model, encoder, samples, 7, end_id=end) == expected
    assert len(expected[0]) <= 2


def test_empty_prompt_is_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="no tokens"):
        greedy(model, [Prompt(())], {}, image_token_id=6, end_id=1, max_new_tokens=2, batch=1)


def test_nothing_asked_nothing_answered(model: Any) -> None:
    assert greedy(model, [], {}, image_token_id=6, end_id=1, max_new_tokens=2, batch=1) == []
