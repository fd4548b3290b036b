"""The step that has a chat service score the free answers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import JsonValue

from polysee.engines.data_steps import DEFAULT_TOLERANCE
from polysee.engines.services import StepServices
from polysee.engines.step import StepContext, StepOutcome
from polysee.evaluation.judge.config import JudgeSection
from polysee.schema.errors import UserError
from polysee.services.config import ChatConfig, Role, ServiceConfig


@dataclass(frozen=True)
class JudgeStep:
    """Judges what `EvaluateStep` has answered: ``judge.json``, ``verdicts.jsonl``, and rows in ``scores.json``.

    ``services``: those of the recipe. ``tolerance``: the largest share of the requests that may get no answer.
    """

    service_kinds: ClassVar[Mapping[str, Role]] = {"chat": "chat"}

    section: JudgeSection
    resamples: int
    seed: int
    services: tuple[ServiceConfig, ...]
    tolerance: float = DEFAULT_TOLERANCE
    name: str = "judge"
    after: str | None = None
    verb: str = field(default="judge", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        judging = self.section.model_dump(mode="json", exclude={"chat", "batch"})
        return {**judging, "resamples": self.resamples, "seed": self.seed, **self._services().parameters()}

    def external_inputs(self) -> Sequence[str]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Ask, and write what comes of it. Raises `UserError` where the service is missing or its budget is spent, and
        where more requests got no answer than the tolerance allows: the next run asks these again and no others."""
        from polysee.evaluation.judge.findings import verdict_rows
        from polysee.evaluation.judge.scored import fold
        from polysee.evaluation.judge.session import Judgement, judge_answers, write_results

        run, services = context.store.path, self._services()
        before = services.probe(run)
        opened = services.spec(run).open()
        config = opened.config(self.section.chat, "chat")
        assert isinstance(config, ChatConfig)
        judgement = Judgement(
            folders={run.name: run},
            out=run,
            section=self.section,
            service=config,
            resamples=self.resamples,
            seed=self.seed,
        )
        with context.progress.task(self.name, None, "answers") as task:
            found, questions = judge_answers(judgement, opened.chat(config.name), task.set_done)
        whole = found.trust[-1]
        if whole.failed > self.tolerance * whole.asked:
            raise UserError(
                f"{whole.failed:,} of {whole.asked:,} requests to the judge got no answer",
                "look after the service and run the same command again: what is answered is kept",
            )
        write_results(run, found, verdict_rows(found.judged, questions))
        fold(run / "scores.json", found.judged, questions, resamples=self.resamples, seed=self.seed)
        summary = f"{whole.verdicts:,} answers judged, {whole.unparsed:,} of {whole.asked:,} verdicts unparsed"
        # The last two are of the step before: where they are made anew, the judge's rows have to be put back.
        outputs = ("judge.json", "verdicts.jsonl", "scores.json", "predictions.lance")
        return StepOutcome(summary=summary + services.summary(run, before), outputs=outputs)

    def _services(self) -> StepServices:
        return StepServices(self.services, JudgeStep, {"chat": self.section.chat})
