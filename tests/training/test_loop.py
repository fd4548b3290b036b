"""One stage of training: exact resume, what is frozen, what the loss is, and what happens when it is no number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polysee.schema.errors import UserError
from polysee.training import loop
from polysee.training.loop import StageRun, parts, train_stage
from polysee.training.losses import response_weights
from polysee.training.module import normalise_on_device
from polysee.training.schedule import cosine
from tiny_chain import ALL_PARTS, Planned, log_rows, write_plan

STEPS, EVERY, KILLED_AT = 8, 4, 6


class Killed(BaseException):
    """Stands for the end of the process; nothing in the loop may catch it."""


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def quiet(done: int, loss: float) -> None:
    """Nobody is told."""


def killed_at(step: int) -> loop.Report:
    def report(done: int, loss: float) -> None:
        if done == step:
            raise Killed

    return report


def trained(stage: StageRun) -> dict[str, torch.Tensor]:
    train_stage(stage, quiet)
    return weights(stage.model)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_run_ends_with_the_same_bits(planned: Planned, tmp_path: Path, precision: str) -> None:
    expected = trained(planned.stage(tmp_path / "whole", precision=precision))
    killed = planned.stage(tmp_path / "killed", precision=precision)
    with pytest.raises(Killed):
        train_stage(killed, killed_at(KILLED_AT))
    # What a killed process wrote after its checkpoint is there, down to half a line.
    assert [row["step"] for row in log_rows(killed.log)] == list(range(KILLED_AT))
    with killed.log.open("a", encoding="utf-8") as log:
        log.write('{"stage": "full", "step": 6, "lo')
    told: list[int] = []
    again = planned.stage(tmp_path / "killed", precision=precision)
    train_stage(again, lambda done, loss: told.append(done))
    assert told == list(range(EVERY + 1, STEPS + 1))
    assert equal(weights(again.model), expected)
    assert not equal(weights(planned.model()), expected)
    assert log_rows(tmp_path / "killed/train.jsonl") == log_rows(tmp_path / "whole/train.jsonl")
    assert [row["step"] for row in log_rows(again.log)] == list(range(STEPS))


def test_models_to_keep_are_handed_out_and_missed_by_no_kill(planned: Planned, tmp_path: Path) -> None:
    expected = trained(planned.stage(tmp_path / "whole"))
    kept: list[tuple[int, dict[str, torch.Tensor]]] = []

    def keeping(folder: Path) -> StageRun:
        stage = planned.stage(folder, keep_every=2, checkpoint_every=EVERY)
        return replace(stage, keep=lambda step: kept.append((step, weights(stage.model))))

    killed = keeping(tmp_path / "killed")
    with pytest.raises(Killed):
        train_stage(killed, killed_at(EVERY + 1))
    assert [step for step, _ in kept] == [2, 4]
    again = keeping(tmp_path / "killed")
    assert equal(trained(again), expected)
    assert [step for step, _ in kept] == [2, 4, 6]
    assert not equal(kept[0][1], kept[1][1])


def test_resumes_where_a_part_had_not_been_reached(planned: Planned, tmp_path: Path) -> None:
    """Without a picture in the first steps the vision encoder has no gradient, and AdamW no state for it."""
    ids = planned.data().sample_ids
    pictures = [[[i] for i in ids(step)[:2]] for step in range(4)]
    texts = [i for i, sample in planned.samples().items() if not sample.media]
    assert len(texts) >= 8
    words = [[[texts[2 * step]], [texts[2 * step + 1]]] for step in range(4)]
    plan = write_plan(tmp_path / "plan.arrow", [*words, *pictures])
    expected = trained(planned.stage(tmp_path / "whole", plan))
    with pytest.raises(Killed):
        train_stage(planned.stage(tmp_path / "killed", plan), killed_at(KILLED_AT))
    assert equal(trained(planned.stage(tmp_path / "killed", plan)), expected)


def test_checkpoints_change_nothing(planned: Planned, tmp_path: Path) -> None:
    often = trained(planned.stage(tmp_path / "often", checkpoint_every=1))
    assert equal(trained(planned.stage(tmp_path / "never", checkpoint_every=100)), often)


def test_log_keeps_the_other_stages(planned: Planned, tmp_path: Path) -> None:
    stage = planned.stage(tmp_path, steps=2)
    earlier = '{"stage": "warm", "step": 7, "seconds": 1.0}\n'
    stale = '{"stage": "full", "step": 0, "seconds": 2.0}\n{"stage": "full", "step": 1, "sec'
    stage.log.write_text(earlier + stale, encoding="utf-8")
    train_stage(stage, quiet)
    rows = log_rows(stage.log)
    assert [(row["stage"], row["step"]) for row in rows] == [("warm", 7), ("full", 0), ("full", 1)]
    assert stage.log.read_text(encoding="utf-8").startswith(earlier)


def test_counts_of_the_log(planned: Planned, tmp_path: Path) -> None:
    stage = planned.stage(tmp_path, steps=3, warmup_steps=2)
    train_stage(stage, quiet)
    for step, row in enumerate(log_rows(stage.log)):
        batch = stage.data.batch(step)
        assert row["samples"] == len(batch.samples) == len(stage.data.sample_ids(step))
        assert (row["tokens"], row["tiles"]) == (batch.tokens, len(batch.tiles))
        assert row["answer_tokens"] == len(batch.targets) == sum(e["tokens"] for e in row["languages"].values())
        assert set(row["languages"]) == {sample.language for sample in batch.samples}
        assert row["learning_rate"] == {
            part: stage.config.learning_rate[part] * cosine(step, 3, 2)  # type: ignore[index]
            for part in ALL_PARTS
        }


@pytest.mark.parametrize(
    "train", [("connector",), ("vision",), ("language",), ("vision", "connector"), ("vision", "connector", "language")]
)
def test_trains_exactly_the_named_parts(planned: Planned, tmp_path: Path, train: tuple[str, ...]) -> None:
    stage = planned.stage(tmp_path, train=train, steps=2)
    before = weights(stage.model)
    train_stage(stage, quiet)
    after = weights(stage.model)
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    prefixes = {"vision": "model.vision_tower.", "connector": "model.multi_modal_projector."}
    for part in ALL_PARTS:
        of_part = {n for n in before if n.startswith(prefixes.get(part, ("model.language_model.", "lm_head.")))}  # type: ignore[arg-type]
        assert of_part
        assert bool(of_part & changed) == (part in train)
    for part, module in parts(stage.model).items():
        assert all(p.requires_grad == (part in train) for p in module.parameters())


def test_each_part_has_its_own_rate(planned: Planned, tmp_path: Path) -> None:
    """Adam's first step moves a weight by the rate, whatever the gradient's size."""
    rates = {"vision": 1e-3, "connector": 4e-3, "language": 2e-3}
    stage = planned.stage(
        tmp_path, steps=1, warmup_steps=0, weight_decay=0.0, clip_norm=1e9, learning_rate=rates, train=ALL_PARTS
    )
    before = {part: [p.detach().clone() for p in module.parameters()] for part, module in parts(stage.model).items()}
    train_stage(stage, quiet)
    for part, module in parts(stage.model).items():
        moves = [
            (p.detach() - old).abs().max().item() for p, old in zip(module.parameters(), before[part], strict=True)
        ]
        assert max(moves) == pytest.approx(rates[part], rel=1e-3)


def by_hand(planned: Planned, stage: StageRun, model: Any, step: int, exponent: float) -> tuple[float, list[float]]:
    """The loss of a step from its samples one by one, and the mean that each pack alone would have."""
    encoder, policy, media = planned.encoder(), planned.policy(), planned.store.media_table()
    samples = planned.samples()
    plan = stage.data
    first, last = np.searchsorted(plan._steps, [step, step + 1])
    sums: dict[int, tuple[float, float]] = {}
    for row in range(first, last):
        sample = samples[plan._ids[row]]
        encoded = encoder.encode(sample, [policy.count(m) for m in sample.media])
        tiles = [policy.cut(m, media.read(m.sha256)) for m in sample.media]
        pixels = normalise_on_device(torch.from_numpy(np.concatenate(tiles))) if tiles else None
        ids = torch.tensor([encoded.input_ids])
        with torch.inference_mode():
            logits = model(input_ids=ids, pixel_values=pixels, use_cache=False).logits[0].double()
        logs = torch.log_softmax(logits, dim=-1)
        for start, stop in encoded.answers:
            weight = (stop - start) ** -exponent
            loss = -sum(logs[at - 1, encoded.input_ids[at]].item() for at in range(start, stop))
            total, count = sums.get(int(plan._packs[row]), (0.0, 0.0))
            sums[int(plan._packs[row])] = (total + weight * loss, count + weight * (stop - start))
    whole = sum(t for t, _ in sums.values()) / sum(c for _, c in sums.values())
    return whole, [total / count for total, count in sums.values()]


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_loss_is_weighed_by_response_over_the_whole_step(planned: Planned, tmp_path: Path, exponent: float) -> None:
    stage = planned.stage(tmp_path, steps=1, loss_exponent=exponent)
    # Larger weights, so that answers and packs differ clearly in their loss.
    with torch.no_grad():
        for parameter in stage.model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    expected, packs = by_hand(planned, stage, stage.model.eval(), 0, exponent)
    train_stage(stage, quiet)
    (row,) = log_rows(stage.log)
    assert row["loss"] == pytest.approx(expected, abs=2e-5)
    assert len(packs) == 2
    assert abs(sum(packs) / 2 - expected) > 2e-4
    lengths = stage.data.batch(0).lengths
    if exponent:
        assert len(set(response_weights(lengths, exponent=exponent))) > 1


def test_loss_that_is_no_number_stops_with_the_samples(planned: Planned, tmp_path: Path) -> None:
    stage = planned.stage(tmp_path, checkpoint_every=1)

    def poison(done: int, loss: float) -> None:
        if done == 2:
            with torch.no_grad():
                stage.model.model.multi_modal_projector.linear_1.weight[0, 0] = float("nan")

    with pytest.raises(UserError) as caught:
        train_stage(stage, poison)
    ids = [sample.id for sample in stage.data.batch(2).samples]
    assert "the loss of stage 'full' is nan at step 2" in str(caught.value)
    assert ids[0] in str(caught.value)
    found = json.loads((tmp_path / "not-finite.json").read_text())
    assert found == {"stage": "full", "step": 2, "samples": ids}
    assert [row["step"] for row in log_rows(stage.log)] == [0, 1]
    assert [path.name for path in (tmp_path / "steps").iterdir()] == ["step-0000002"]


def test_stages_of_one_process_may_differ_in_precision(planned: Planned, tmp_path: Path) -> None:
    rows = []
    for precision in ("bf16", "fp32", "bf16"):
        stage = planned.stage(tmp_path / f"{precision}-{len(rows)}", precision=precision, steps=1)
        train_stage(stage, quiet)
        rows += log_rows(stage.log)
    assert rows[0] == rows[2]
    assert rows[0]["loss"] != rows[1]["loss"]
    assert rows[0]["loss"] == pytest.approx(rows[1]["loss"], rel=0.05)


def test_a_warm_up_ends_within_the_stage(planned: Planned) -> None:
    assert [planned.config(steps=n, warmup_steps=None).warmup for n in (5, 40, 1000)] == [0, 4, 20]
    with pytest.raises(ValueError, match="5 steps end before 20 of warm-up do"):
        planned.config(steps=5, warmup_steps=20)


def test_frozen_parts_have_no_rate_in_the_log_and_determinism_ends(planned: Planned, tmp_path: Path) -> None:
    before = torch.are_deterministic_algorithms_enabled()
    stage = planned.stage(tmp_path, train=("language",), steps=1)
    train_stage(stage, quiet)
    (row,) = log_rows(stage.log)
    assert row["learning_rate"].keys() == {"language"}
    assert torch.are_deterministic_algorithms_enabled() == before
