"""Row *k* of a plan: always the same, whoever asks for it and whatever was asked before."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from polysee.packing.collate import PackBatch
from polysee.schema.errors import UserError
from polysee.training.data import PlannedData
from tiny_chain import Planned

STEPS = 8


@pytest.fixture(scope="module")
def data(planned: Planned) -> PlannedData:
    return planned.data()


def assert_equal(one: PackBatch, other: PackBatch) -> None:
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert np.array_equal(left, right) if isinstance(left, np.ndarray) else left == right, field.name


def test_a_step_does_not_depend_on_what_came_before(planned: Planned, data: PlannedData) -> None:
    ahead = list(data.batches(0, STEPS))
    assert len(ahead) == STEPS
    for step in (7, 2, 5):
        assert_equal(planned.data().batch(step), ahead[step])
    assert_equal(next(iter(data.batches(5, STEPS))), ahead[5])
    assert list(data.batches(STEPS, STEPS)) == []


def test_samples_are_those_of_the_plan(data: PlannedData) -> None:
    for step in range(STEPS):
        assert [sample.id for sample in data.batch(step).samples] == data.sample_ids(step) != []
    assert data.languages == ("ar", "en", "uk", "zh")


@pytest.mark.parametrize("world", [1, 2])
def test_ranks_share_the_packs_of_a_step(data: PlannedData, world: int) -> None:
    for step in range(STEPS):
        whole = data.batch(step)
        shares = [data.batch(step, rank=rank, world=world) for rank in range(world)]
        assert sum(len(share.input_ids) for share in shares) == len(whole.input_ids) == 2
        assert sorted(s.id for share in shares for s in share.samples) == sorted(s.id for s in whole.samples)
        assert sum(share.tokens for share in shares) == whole.tokens
        assert sum(len(share.tiles) for share in shares) == len(whole.tiles)
        assert sum(len(share.targets) for share in shares) == len(whole.targets)


def test_more_processes_than_packs_are_refused_by_each_of_them(data: PlannedData) -> None:
    for rank in range(3):
        with pytest.raises(UserError, match="a step has 2 packs, which is too few for 3 processes") as caught:
            data.batch(0, rank=rank, world=3)
        assert "start at most 2 processes" in caught.value.fix


def test_answers_and_pictures_stand_where_the_batch_says(planned: Planned, data: PlannedData) -> None:
    encoder = planned.encoder()
    for step in range(STEPS):
        batch = data.batch(step)
        assert (batch.input_ids == encoder.image_token_id).sum() == 4 * len(batch.tiles)
        assert np.array_equal(batch.input_ids[batch.rows, batch.columns + 1], batch.targets)
        for number, sample in enumerate(batch.samples):
            ids = batch.targets[batch.owners == number].tolist()
            text = encoder.tokenizer.decode(ids)
            assert text == "".join(turn.output + "<|end|>" for turn in sample.turns)
        # Positions begin anew with each sample, and once more with the padding.
        starts = (batch.position_ids == 0).sum(axis=1)
        padded = (batch.input_ids[:, -1] == encoder.pad_id).sum()
        assert starts.sum() == len(batch.samples) + padded
