from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from polysee.inference.encoder import Prompt, encode_prompt, media_key
from polysee.inference.features import image_features
from polysee.inference.likelihood import Question, best, option_scores
from polysee.models.prompt import PromptEncoder
from polysee.schema.sample import Sample
from tiny_model import NORMALISATION, WORDS, question, read_tiles


def _samples() -> list[Sample]:
    samples = [question(language, number) for language in WORDS for number in range(7)]
    samples += [question(language, 1, media=2) for language in WORDS]
    return [*samples, question("zh", 2, media=0), question("am", 3, media=0)]


def _tiles(samples: list[Sample]) -> dict[str, Any]:
    return {media_key(ref): read_tiles(ref) for sample in samples for ref in sample.media}


def _questions(encoder: PromptEncoder, samples: list[Sample], tiles: dict[str, Any]) -> list[Question]:
    return [
        Question(encode_prompt(encoder, s, tiles), tuple(tuple(encoder.answer_ids(o)) for o in s.options))
        for s in samples
    ]


@torch.inference_mode()
def _plain(model: Any, encoder: PromptEncoder, sample: Sample) -> list[float]:
    """Each option by a forward pass of its own, with pixels, as anyone would write it."""
    tiles = [read_tiles(ref) for ref in sample.media]
    prompt = encoder.prompt_ids(sample, [len(t) for t in tiles])
    pixels = torch.cat([torch.from_numpy(NORMALISATION.apply(t)) for t in tiles]) if tiles else None
    scores = []
    for option in sample.options:
        answer = encoder.answer_ids(option)
        logits = model(input_ids=torch.tensor([prompt + answer]), pixel_values=pixels).logits[0]
        log_probs = logits.log_softmax(-1)[len(prompt) - 1 : -1]
        scores.append(float(log_probs[range(len(answer)), answer].double().sum()))
    return scores


def test_shared_rows_equal_a_forward_pass_for_each_option(model: Any, encoder: PromptEncoder) -> None:
    samples = _samples()
    tiles = _tiles(samples)
    features = image_features(model, tiles, NORMALISATION)
    found = option_scores(
        model, _questions(encoder, samples, tiles), features, image_token_id=encoder.image_token_id, batch=8
    )
    spread = 0.0
    for sample, scores in zip(samples, found, strict=True):
        plain = _plain(model, encoder, sample)
        assert scores == pytest.approx(plain, abs=1e-5)
        assert best(scores) == best(plain)
        spread = max(spread, max(plain) - min(plain))
    assert spread > 1.0


def test_batch_size_does_not_matter(model: Any, encoder: PromptEncoder) -> None:
    samples = _samples()
    tiles = _tiles(samples)
    features = image_features(model, tiles, NORMALISATION)
    questions = _questions(encoder, samples, tiles)
    runs = [
        option_scores(model, questions, features, image_token_id=encoder.image_token_id, batch=batch)
        for batch in (1, 3, 32, 32)
    ]
    for other in runs[1:]:
        for scores, reference in zip(other, runs[0], strict=True):
            assert scores == pytest.approx(reference, abs=1e-5)
            assert best(scores) == best(reference)
    assert runs[2] == runs[3]


def test_an_option_is_blind_to_the_others(model: Any, encoder: PromptEncoder) -> None:
    sample = question("th", 1)
    tiles = _tiles([sample])
    features = image_features(model, tiles, NORMALISATION)
    whole = _questions(encoder, [sample], tiles)[0]
    turned = Question(whole.prompt, whole.options[::-1])
    alone = [Question(whole.prompt, (option,)) for option in whole.options]
    scores, reverse, *single = option_scores(
        model, [whole, turned, *alone], features, image_token_id=encoder.image_token_id, batch=1
    )
    assert scores == pytest.approx(reverse[::-1], abs=1e-5)
    assert scores == pytest.approx([s[0] for s in single], abs=1e-5)


def test_probabilities_of_all_next_tokens_sum_to_one(model: Any, encoder: PromptEncoder) -> None:
    prompt = encode_prompt(encoder, question("en", 0, media=0), {})
    every = Question(prompt, tuple((token,) for token in range(model.config.text_config.vocab_size)))
    scores = option_scores(model, [every], {}, image_token_id=encoder.image_token_id, batch=1)[0]
    assert torch.tensor(scores).double().exp().sum().item() == pytest.approx(1.0, abs=1e-5)


def test_the_picture_matters(model: Any, encoder: PromptEncoder) -> None:
    first, second = question("en", 1), question("en", 5)
    tiles = _tiles([first, second])
    features = image_features(model, tiles, NORMALISATION)
    one, two = option_scores(
        model,
        _questions(encoder, [first, second], tiles),
        features,
        image_token_id=encoder.image_token_id,
        batch=2,
    )
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) > 1e-2


def test_no_questions_no_scores(model: Any) -> None:
    assert option_scores(model, [], {}, image_token_id=6, batch=4) == []


@pytest.mark.parametrize(
    "bad", [Question(Prompt(()), ((1,),)), Question(Prompt((1,)), ()), Question(Prompt((1,)), ((1,), ()))]
)
def test_empty_parts_are_refused(model: Any, bad: Question) -> None:
    with pytest.raises(ValueError, match="question 0"):
        option_scores(model, [bad], {}, image_token_id=6, batch=4)


def test_sliding_windows_are_refused(model: Any) -> None:
    other = copy.deepcopy(model)
    other.config.text_config.layer_types = ["full_attention", "sliding_attention"]
    with pytest.raises(ValueError, match="sliding"):
        option_scores(other, [Question(Prompt((1,)), ((1,),))], {}, image_token_id=6, batch=4)


def test_best_takes_the_first_of_equals() -> None:
    assert best([-2.0, -1.0, -1.0]) == 1
