"""Takes up what dead workers left: trials they had begun, and what Optuna's tables lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paretune.search.database.mirror import MirroredTrial
from paretune.search.database.store import OPEN_STATES, Row
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result

if TYPE_CHECKING:
    from paretune.search.running.worker import Worker
    from paretune.search.trial.open_study import OpenStudy

NO_PROPOSAL: Mapping[str, Any] = {"params": {}, "attributes": {}}


@dataclass(frozen=True)
class Task:
    """A trial to be done.

    Attributes:
        number: Of the trial.
        plan: What to do.
        params: Parameter name -> value of the branches taken.
        proposal: What the sampler said, as JSON.
        started: Unix time of its beginning.
        again: A worker that died had begun it.
        variant_of: The trial whose trained network this one deploys in another number format.
        spent: Stage -> seconds that earlier turns took.
    """

    number: int
    plan: Plan
    params: Mapping[str, Any]
    proposal: Mapping[str, Any]
    started: float
    again: bool = False
    variant_of: int | None = None
    spent: Mapping[str, float] = field(default_factory=dict)

    def mirrored(
        self, result: Result | None = None, finished: float | None = None
    ) -> MirroredTrial:
        """The trial for Optuna's tables, with what came of it when there is a result."""
        return MirroredTrial(
            number=self.number,
            state=result.state if result else "running",
            params=self.proposal["params"],
            attributes=self._attributes(),
            sampler=self.proposal["attributes"],
            values=list(result.values.values()) if result and result.state == "complete" else (),
            violations=result.violations if result else {},
            started=self.started,
            finished=finished,
        )

    def _attributes(self) -> dict[str, Any]:
        if not self.number:
            return {"baseline": True}
        variant = {} if self.variant_of is None else {"variant_of": self.variant_of}
        return {"params": dict(self.params), **variant}


def task_of(row: Row, again: bool) -> Task:
    """The trial of a row of the database."""
    return Task(
        row["number"],
        Plan.from_json(row["plan"]),
        row["params"],
        row["proposal"],
        row["started"],
        again,
        row["variant_of"],
        row["seconds"] or {},
    )


def result_of(row: Row) -> Result:
    """What came of the trial of a row, or how it was when racing held it up."""
    return Result(
        row["state"],
        row["values"] or {},
        row["violations"] or {},
        reason=row["reason"],
        seconds=row["seconds"] or {},
        repeat_of=row["repeat_of"],
    )


def adopted(study: OpenStudy, worker: Worker, running: Sequence[Row]) -> Task | None:
    """A running trial whose worker is dead, now this worker's; None when there is none.

    Args:
        study: The open study.
        worker: This one.
        running: "number" and "worker" of the trials that run.
    """
    strangers = [row for row in running if row["worker"] != worker.id]
    if not strangers:
        return None
    living = worker.living()
    for row in strangers:
        if row["worker"] in living:
            continue
        if study.store.take_over(row["number"], row["worker"], worker.id):
            [whole] = study.store.rows([row["number"]])
            return task_of(whole, again=True)
    return None


def reconcile(study: OpenStudy, worker: Worker) -> None:
    """Writes to Optuna's tables what a worker that died had not written."""
    worker.bury()
    if len(worker.living()) > 1:
        return  # what is missing may be what another worker is about to write
    theirs = study.mirror.states()
    ours = {
        number: "running" if state in OPEN_STATES else state  # Optuna knows none that wait
        for number, state in study.store.states().items()
    }
    missing = [n for n, state in ours.items() if theirs.get(n) != state]
    for row in study.store.rows(missing):
        result = None if row["state"] in OPEN_STATES else result_of(row)
        study.mirror.put(task_of(row, again=False).mirrored(result, row["finished"]))
    study.mirror.flush()
