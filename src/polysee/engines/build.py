"""From a recipe to the chain of its steps."""

from __future__ import annotations

from polysee.engines.data_steps import ScoreStep, SelectStep, SourceStep, TransformStep
from polysee.engines.judge_step import JudgeStep
from polysee.engines.model_steps import (
    CurvesStep,
    EncoderStep,
    EvaluateStep,
    PlanStep,
    ReportStep,
    TokenizerStep,
    TrainStep,
)
from polysee.engines.step import Step
from polysee.evaluation.judge.config import JudgeSection
from polysee.recipe.models import Recipe
from polysee.training.config import StageConfig


def build_steps(recipe: Recipe) -> list[Step]:
    """All steps of ``recipe`` in order. Plans come before any training, so that a stage that cannot be packed is
    known at once.

    Each step comes ``after`` what it reads, so that a change is not taken for one of its input: the encoder reads no
    sample, and no stage a later one's plan.
    """
    steps: list[Step] = [*_data(recipe)]
    last = steps[-1].name if steps else None
    if recipe.encoder and recipe.model:
        steps.append(EncoderStep(recipe.encoder, recipe.model, recipe.seed, after=""))
    if recipe.tokenizer:
        steps.append(TokenizerStep(recipe.tokenizer, after=last))
        last = steps[-1].name
    if recipe.model and recipe.stages:
        plans = [
            PlanStep(
                stage, recipe.model, recipe.mix.temperature, _repeats(recipe, stage), recipe.seed + index, after=last
            )
            for index, stage in enumerate(recipe.stages)
        ]
        steps += plans
        start: str | None = None
        for plan in plans:
            after = f"train-{start}" if start else plan.name
            steps.append(TrainStep(plan.stage, recipe.model, recipe.seed, start, plan.parameters(), after=after))
            start = plan.stage.name
        if recipe.evaluate:
            steps.append(EvaluateStep(recipe.evaluate, recipe.stages[-1], recipe.seed))
            if recipe.evaluate.checkpoints == "all":
                steps.append(CurvesStep(recipe.evaluate, recipe.seed))
            if recipe.evaluate.judge:
                steps.append(_judge(recipe.evaluate.judge, recipe))
        last = steps[-1].name
    if recipe.report and recipe.sources:
        steps.append(ReportStep(recipe.report.gallery, after=last))
    return steps


def _judge(section: JudgeSection, recipe: Recipe) -> JudgeStep:
    assert recipe.evaluate is not None
    return JudgeStep(section, recipe.evaluate.resamples, recipe.seed, recipe.services, recipe.tolerance)


def _repeats(recipe: Recipe, stage: StageConfig) -> tuple[tuple[str, float], ...]:
    return tuple((source.name, stage.repeat.get(source.name, source.repeat)) for source in recipe.sources)


def _data(recipe: Recipe) -> list[Step]:
    tolerance, services = recipe.tolerance, recipe.services
    return [
        *(SourceStep(s.name, s.use, s.params, recipe.seed, tolerance=tolerance) for s in recipe.sources),
        *(
            TransformStep(t.name, t.use, t.params, recipe.seed, tolerance=tolerance, services=services)
            for t in recipe.transforms
        ),
        *(ScoreStep(s.name, s.use, s.params, tolerance=tolerance, services=services) for s in recipe.scores),
        *(SelectStep(s.name, s.where) for s in recipe.select),
    ]
