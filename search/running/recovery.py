"""Takes over the trials of dead workers, and completes Optuna's tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from paretune.search.database.engine import creation_lock
from paretune.search.database.mirror import MirroredTrial
from paretune.search.database.mirror_renewal import RenewedStudy
from paretune.search.database.retries import attempt_of
from paretune.search.database.store import OPEN_STATES, Row
from paretune.search.database.trials import LEFT
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, State
from paretune.search.study.role import Role

if TYPE_CHECKING:
    from paretune.search.changing.earlier_trials import EarlierTrials
    from paretune.search.running.worker import Worker
    from paretune.search.trial.open_study import OpenStudy

UNMEASURED: State = "stopped"
"""The state in Optuna's tables of a complete trial that this version has no values of."""

NO_PROPOSAL: Mapping[str, Any] = {"params": {}, "attributes": {}}


@dataclass(frozen=True)
class Task:
    """A trial to run.

    Attributes:
        number: Trial number.
        plan: Plan to build.
        params: Parameter name -> value, for the branches taken.
        proposal: The sampler's proposal as JSON.
        started: Unix time when it began.
        taken_over: Whether a worker had begun it that died or left.
        left: Whether that worker left it when it was stopped.
        variant_of: Trial that trained the network, if this one deploys it in another number format.
        spent: Stage -> seconds spent before this worker took the trial.
        attempt: 1, or more if the trial failed before and is tried again.
    """

    number: int
    plan: Plan
    params: Mapping[str, Any]
    proposal: Mapping[str, Any]
    started: float
    taken_over: bool = False
    left: bool = False
    variant_of: int | None = None
    spent: Mapping[str, float] = field(default_factory=dict)
    attempt: int = 1

    @property
    def row(self) -> dict[str, Any]:
        """The columns of its row that do not change while it runs."""
        return {
            "number": self.number,
            "plan": self.plan.to_json(),
            "params": self.params,
            "proposal": self.proposal,
        }

    def mirrored(
        self, result: Result | None = None, finished: float | None = None
    ) -> MirroredTrial:
        """Returns the trial for Optuna's tables, with its result if there is one."""
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


def task_of(row: Row, taken_over: bool) -> Task:
    """Returns the task for a trial's row in the database."""
    return Task(
        row["number"],
        Plan.from_json(row["plan"]),
        row["params"],
        row["proposal"],
        row["started"],
        taken_over,
        variant_of=row["variant_of"],
        spent=row["seconds"] or {},
        attempt=attempt_of(row),
    )


def result_of(row: Row) -> Result:
    """Returns the result in a trial's row; for a paused trial, its state at the last rung."""
    return Result(
        row["state"],
        row["values"] or {},
        row["violations"] or {},
        reason=row["reason"],
        seconds=row["seconds"] or {},
        repeat_of=row["repeat_of"],
    )


def take_over_trial(study: OpenStudy, worker: Worker, running: Sequence[Row]) -> Task | None:
    """Takes over a running trial of a worker that died or left; returns None if there is none.

    A trial without a worker is trained, and waits for its measurements. A worker that only trains
    leaves trained trials alone, and one that only measures takes no other.

    Args:
        study: The open study.
        worker: This worker.
        running: "number" and "worker" of the running trials.
    """
    for row in running:
        if row["worker"] == worker.id:  # begun as the connection broke, so it did not learn of it
            [full_row] = study.store.rows([row["number"]])
            return task_of(full_row, taken_over=True)
    others = list(running)
    if not others:
        return None
    living = worker.living_among(row["worker"] for row in others)
    for row in others:
        if row["worker"] in living:
            continue
        if worker.role is not Role.ALL and worker.role.measures != _is_trained(study, row):
            continue
        if study.store.take_over(row["number"], row["worker"], worker.id):
            [full_row] = study.store.rows([row["number"]])
            task = task_of(full_row, taken_over=row["worker"] is not None)
            return replace(task, left=row["worker"] == LEFT)
    return None


def _is_trained(study: OpenStudy, row: Row) -> bool:
    [full_row] = study.store.rows([row["number"]])
    return study.trained(Plan.from_json(full_row["plan"]))


def reconcile(
    study: OpenStudy, worker: Worker, earlier: EarlierTrials, completed: Collection[int] = ()
) -> None:
    """Writes to Optuna's tables what a dead worker had not written, or a new version needs.

    Args:
        study: The open study.
        worker: This worker.
        earlier: Translates trials of earlier versions.
        completed: Trials that this worker has just completed for the present version.
    """
    worker.remove_dead()
    if study.mirror.is_old:
        _renew(study, earlier)
    states = study.store.states()
    numbers = set(completed)
    if len(worker.living()) == 1:  # another worker may be about to write what is missing
        unmeasured = dict.fromkeys(study.store.unmeasured(), UNMEASURED)
        numbers.update(study.mirror.outdated({**states, **unmeasured}))
    for row in study.store.rows(numbers):
        study.mirror.put(mirrored_row(row, earlier))
    study.mirror.flush()


def _renew(study: OpenStudy, earlier: EarlierTrials) -> None:
    """Writes all trials to Optuna's tables again, for the present version of the study."""
    spec, store = study.spec, study.store
    directions = [objective.direction for objective in spec.objectives]
    names = [objective.name for objective in spec.objectives]
    with creation_lock(study.engine):
        del study.mirror  # another worker may have renewed it meanwhile
    if not study.mirror.is_old:
        return
    unmeasured = set(store.unmeasured())
    rows = [row for row in store.rows(store.states()) if row["number"] not in unmeasured]
    study.mirror.renew(
        RenewedStudy(store.version, directions, names),
        [mirrored_row(row, earlier) for row in rows],
    )


def mirrored_row(row: Row, earlier: EarlierTrials) -> MirroredTrial:
    """Returns a stored trial for Optuna's tables.

    A trial outside the present space has no parameters there. One without the values of this
    version is a pruned trial to Optuna.

    Args:
        row: The trial's row.
        earlier: Translates trials of earlier versions.
    """
    result = None if row["state"] in OPEN_STATES else result_of(row)
    if result is not None and result.state == "complete" and not result.values:
        result = replace(result, state=UNMEASURED)
    proposal = earlier.proposal(row) if row["number"] else row["proposal"]
    task = replace(task_of(row, taken_over=False), proposal=proposal or NO_PROPOSAL)
    trial = task.mirrored(result, row["finished"])
    outside = {"outside_the_space": True} if proposal is None else {}
    return replace(trial, attributes={**trial.attributes, **outside})
