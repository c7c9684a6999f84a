"""Takes up what dead workers left: trials they had begun, and writes they did not finish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search.plan import Plan, make_plan
from spaces.domains import assign

if TYPE_CHECKING:
    from search.study import OpenStudy
    from search.worker import Worker

NO_PROPOSAL: Mapping[str, Any] = {"params": {}, "attributes": {}}


@dataclass(frozen=True)
class Task:
    """A trial to be done; `again` when a worker that died had begun it."""

    number: int
    optuna_id: int
    plan: Plan
    params: Mapping[str, Any]
    again: bool = False


def adopted(study: OpenStudy, worker: Worker) -> Task | None:
    """A running trial whose worker is dead, now this worker's; None when there is none."""
    running = study.store.running()
    strangers = [row for row in running if row["worker"] != worker.id]
    if not strangers:
        return None
    living = worker.living()
    for row in strangers:
        if row["worker"] in living:
            continue
        if study.store.take_over(row["number"], row["worker"], worker.id):
            plan = Plan.from_json(row["plan"])
            return Task(row["number"], row["optuna_id"], plan, row["params"], again=True)
    return None


def reconcile(study: OpenStudy, worker: Worker) -> None:
    """Brings Optuna's tables and ours together after a worker died between two writes."""
    worker.bury()
    if len(worker.living()) > 1:
        return  # what looks torn may be what another worker is about to write
    for optuna_id, number, params in study.mirror.running():
        trial = study.store.trial(number)
        if trial is None:
            _begin(study, optuna_id, number, params)
        elif trial.state != "running":
            values = list(trial.values.values())
            study.mirror.finish(optuna_id, trial.state, values, trial.violations)


def _begin(study: OpenStudy, optuna_id: int, number: int, params: Mapping[str, Any]) -> None:
    """Our row of a trial that so far only Optuna knows; nobody's, so that it is adopted."""
    if number == 0:
        study.store.begin(0, optuna_id, "", study.baseline, {}, NO_PROPOSAL)
        return
    active: dict[str, Any] = {}

    def choose(name: str, _: Any) -> Any:
        active[name] = params[name]
        return params[name]

    spec = study.spec
    plan = make_plan(assign(spec.space, choose), spec.runtime, spec.teachers)
    proposal = {"params": dict(params), "attributes": {}}
    study.store.begin(number, optuna_id, "", plan, active, proposal)
