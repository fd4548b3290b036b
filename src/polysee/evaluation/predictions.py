"""The predictions table: whole units of work, each published by one atomic commit and never twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from polysee.schema.errors import UserError
from polysee.store import tables

PREDICTION_SCHEMA = pa.schema(
    [
        pa.field("sample", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("baseline", pa.string()),
        pa.field("variant", pa.string()),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("mode", pa.string(), nullable=False),
        pa.field("cluster", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("gold", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("parsed", pa.bool_(), nullable=False),
        pa.field("wrong_language", pa.bool_(), nullable=False),
        pa.field("chance", pa.float64()),
        pa.field("option_scores", pa.list_(pa.float64()), nullable=False),
        pa.field("draws", pa.list_(pa.string()), nullable=False),
        pa.field("curve", pa.list_(pa.float64()), nullable=False),
        pa.field("tokens", pa.list_(pa.int32()), nullable=False),
        pa.field("tokens_in", pa.int32(), nullable=False),
        pa.field("cost", pa.float64(), nullable=False),
        pa.field("failure", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("unit", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer and how good it is.

    ``baseline``: None for the trained model. ``variant``: how else the task was asked (``reasoned``, ``frames-4``,
    ``letters``); None for the plain way. ``cluster``: sha256 of the first medium (the sample's id where it has none).
    ``group``: of answers that count together (a question's rotations). ``score``: 0-1. ``chance``: of a right guess,
    None where guessing has no meaning. ``option_scores``: log probability of each option in nats; empty for a free
    answer. ``draws``: all answers where several were drawn, ``curve``: the vote's score after each of them. ``tokens``:
    written, of each draw; ``tokens_in``: of the prompt. ``failure``: why there is no answer, which is then not scored.
    """

    sample: str
    task: str
    language: str
    split: str
    baseline: str | None
    metric: str
    cluster: str
    answer: str
    score: float
    parsed: bool
    wrong_language: bool
    chance: float | None
    option_scores: tuple[float, ...] = ()
    variant: str | None = None
    mode: str = "multilingual"
    group: str = ""
    tags: tuple[str, ...] = ()
    gold: str = ""
    draws: tuple[str, ...] = ()
    curve: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    tokens_in: int = 0
    cost: float = 0.0
    failure: str = ""


class PredictionStore:
    """A Lance dataset at ``path`` that holds the predictions of one fingerprint.

    A unit's rows and their unit number arrive in one commit, so that the dataset is its own journal: what a killed
    run had committed is there in full, and what it had not is not there at all.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint

    def begin(self) -> frozenset[int]:
        """The units that are already there. Predictions of another fingerprint are taken out first; so are the units
        in which a question got no answer, to be asked again."""
        if not tables.exists(self.path):
            return frozenset()
        dataset = tables.open_at(self.path)
        if dataset.schema.equals(PREDICTION_SCHEMA):
            rows = dataset.to_table(columns=["fingerprint", "unit", "failure"])
            if set(rows["fingerprint"].to_pylist()) <= {self.fingerprint}:
                return self._whole(rows)
        self._publish(PREDICTION_SCHEMA.empty_table(), fresh=True)
        return frozenset()

    def add(self, unit: int, predictions: Sequence[Prediction]) -> None:
        """Publish one unit. Raises `UserError` for a full disk or an unwritable folder."""
        rows = [{**asdict(p), "fingerprint": self.fingerprint, "unit": unit} for p in predictions]
        self._publish(pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA), fresh=not tables.exists(self.path))

    def _whole(self, rows: pa.Table) -> frozenset[int]:
        units = rows["unit"].to_pylist()
        broken = {unit for unit, why in zip(units, rows["failure"].to_pylist(), strict=True) if why}
        if broken:
            tables.open_at(self.path).delete(f"unit IN ({', '.join(map(str, sorted(broken)))})")
            tables.sync_dataset(self.path)
        return frozenset(units) - broken

    def _publish(self, rows: pa.Table, *, fresh: bool) -> None:
        fragments = tables.write_fragments(self.path, rows, PREDICTION_SCHEMA, fresh=fresh) if len(rows) else ()
        tables.publish(self.path, fragments, PREDICTION_SCHEMA, fresh=fresh)


def read_predictions(path: Path) -> pa.Table:
    """All predictions, rows of `PREDICTION_SCHEMA` (none if there is no dataset)."""
    return tables.open_at(path).to_table() if tables.exists(path) else PREDICTION_SCHEMA.empty_table()


def answers_of(folder: Path) -> pa.Table:
    """The predictions in a run's folder, or in one of ``polysee eval``. Raises `UserError` where there are none."""
    table = read_predictions(folder / "predictions.lance")
    if not table.num_rows:
        raise UserError(
            "there are no answers here",
            "name a folder in which `polysee run` or `polysee eval` has measured a model",
            place=str(folder),
        )
    return table
