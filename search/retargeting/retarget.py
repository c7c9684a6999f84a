"""Measures the stored models of a study in another runtime or on another machine.

Nothing is trained. In the study's own runtime the stored file itself is measured. For another
runtime the trained network comes from the stage cache and is exported again: quantized as in its
trial if the runtime has that mode, else in float.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import fingerprint
from paretune.search.database.engine import open_engine
from paretune.search.database.retargets import Retargets
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.measuring.session import measure_side_by_side
from paretune.search.measuring.targets import NO_MODEL, Target
from paretune.search.retargeting.artifacts import MissingModel, RetargetArtifacts
from paretune.search.retargeting.request import (
    RetargetRequest,
    deployment_of,
    requested_trials,
)
from paretune.search.study.deployment import Deployment
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.retarget_records import RetargetedStudy, RetargetedTrial
from paretune.search.study.spec import StudySpec, canonical, digest

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.search.locate import StudyLocation
    from paretune.search.trial.stage_study import StageStudy

Notify = Callable[[str], None]
"""Receives lines of progress."""


def retarget(
    location: StudyLocation, request: RetargetRequest, notify: Notify = lambda text: None
) -> RetargetedStudy:
    """Measures a study's models in another runtime, or returns what is stored of that.

    Args:
        location: The study.
        request: The trials, and the runtime with its options.
        notify: Called with each line of progress.

    Raises:
        UserError: The study, runtime, option, target or trial does not exist, or nothing can be
            measured.
    """
    with existing_store(location.url) as store:
        record = store.record()
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer: Paretune has none to measure"
        )
    if record.baseline is None or not record.members:
        raise UserError("there is no front yet; run the study first")
    spec = location.spec()
    deployment = deployment_of(spec, request)
    trials = requested_trials(record, request.trials)
    host = fingerprint()
    setting = digest(
        [deployment.target, deployment.name, deployment.options.model_dump(), canonical(host)]
    )[:16]
    retargets = Retargets(open_engine(location.url, create=True))
    rows = retargets.by_trial(setting)
    if request.again or any(trial.number not in rows for trial in trials):
        reason = deployment.runtime.unavailable()
        if reason:
            raise UserError(f"--runtime {deployment.name}: cannot be used here: {reason}")
        rows = _measure(spec, record, trials, deployment, setting, retargets, notify)
    requested = {trial.number: rows[trial.number] for trial in trials}
    return RetargetedStudy(record, deployment, requested, host)


def _measure(
    spec: StudySpec,
    record: StudyRecord,
    trials: Sequence[TrialRecord],
    deployment: Deployment,
    setting: str,
    retargets: Retargets,
    notify: Notify,
) -> dict[int, RetargetedTrial]:
    """Measures trials, stores the results and returns trial number -> result."""
    from paretune.search.trial.stage_study import StageStudy

    study = StageStudy(spec)
    try:
        workbench = study.workbench
        _check_data(study, record)
        study.store.add_host(study.host, fingerprint())
        [gauge] = [t.gauge for t in workbench.targets if t.name == deployment.target]
        target = Target(deployment, gauge.artifact_dependent())
        files = RetargetArtifacts(study, deployment, retargets.artifacts(deployment.name))
        rows: dict[int, RetargetedTrial] = {}
        artifacts: dict[int, Artifact] = {}
        empty = RetargetedTrial(
            -1,
            setting,
            deployment.target,
            deployment.name,
            deployment.options.model_dump(),
            study.host,
            time.time(),
            "",
        )
        for trial in trials:
            try:
                artifacts[trial.number], note = files.artifact(trial)
            except MissingModel as error:
                if trial.number == 0:
                    raise UserError(f"the baseline cannot be measured: {error}") from error
                note = f"not measured: {error}"
            rows[trial.number] = replace(empty, trial=trial.number, note=note)
        notify(f"measuring {len(artifacts)} networks in {deployment.name}, side by side")
        for number, parts in _measurements(target, artifacts, workbench.data).items():
            stored = workbench.artifact_json(artifacts[number])
            rows[number] = replace(rows[number], artifact=stored, measured=parts)
        retargets.put(list(rows.values()))
        return rows
    finally:
        study.close()


def _check_data(study: StageStudy, record: StudyRecord) -> None:
    recorded = record.info.get("fingerprint")
    if recorded is not None and recorded != study.workbench.data.fingerprint:
        raise UserError(
            "the data is not the data that the study was run on, so accuracies cannot be "
            "compared; give the study the same data"
        )


def _measurements(
    target: Target, artifacts: Mapping[int, Artifact], data: Dataset
) -> dict[int, dict[str, dict[str, Measurement]]]:
    """Returns trial -> part -> quantity -> measurement, the baseline first.

    Raises:
        UserError: The runtime cannot run or measure one of the files.
    """
    try:
        [baseline] = _side_by_side(target, {0: artifacts[0]}, data, None, {})
        others = {number: artifact for number, artifact in artifacts.items() if number}
        validation = {0: baseline}
        if others:
            reference = {m.name: m for m in baseline}
            measured = _side_by_side(target, others, data, artifacts[0], reference)
            validation |= dict(zip(others, measured, strict=True))
        return {
            number: {
                "validation": {m.name: m for m in measurements},
                "test": {m.name: m for m in target.test(artifacts[number], data)},
            }
            for number, measurements in validation.items()
        }
    except Unmeasurable as error:
        raise UserError(f"{target.deployment.name}: {error}") from error


def _side_by_side(
    target: Target,
    artifacts: Mapping[int, Artifact],
    data: Any,
    baseline: Artifact | None,
    reference: Mapping[str, Measurement],
) -> list[list[Measurement]]:
    subjects = [
        target.subject(artifact, NO_MODEL, data, baseline, reference)
        for artifact in artifacts.values()
    ]
    measured = measure_side_by_side(target.gauge, subjects, "validation")
    return [target.named(measurements) for measurements in measured]
