"""Measures the stored models of a study in another runtime or on another machine.

Nothing is trained. In the study's own runtime the stored file itself is measured. For another
runtime the trained network comes from the stage cache and is exported again: quantized as in its
trial if the runtime has that mode, else in float.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.objectives.device_use import DeviceUse
from paretune.objectives.devices.address import parse_address
from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.devices.runtimes import check_on_device
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import fingerprint
from paretune.search.database.engine import open_engine
from paretune.search.database.retargets import Retargets
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.front.final_front import with_final_front
from paretune.search.front.seed_means import with_own_networks
from paretune.search.measuring.gauge import TIMING
from paretune.search.measuring.session import measure_side_by_side
from paretune.search.measuring.study_device import StudyDevice
from paretune.search.measuring.targets import NO_MODEL, Target
from paretune.search.retargeting.artifacts import MissingModel, RetargetArtifacts
from paretune.search.retargeting.request import (
    RetargetRequest,
    deployment_of,
    requested_trials,
)
from paretune.search.study.deployment import Deployment
from paretune.search.study.quantity import SUSTAINED, Quantity
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.retarget_records import RetargetedStudy, RetargetedTrial
from paretune.search.study.spec import StudySpec, canonical, digest
from paretune.search.study.tables import OBJECTIVES
from paretune.search.study.target_device import TargetDevice
from paretune.search.trial.study_devices import facts_of

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.search.locate import StudyLocation
    from paretune.search.trial.stage_study import StageStudy

Measured = dict[str, dict[str, Measurement]]
"""Part ("validation", "test") -> quantity -> measurement."""

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
        UserError: The study, runtime, option, target, device or trial does not exist, or nothing
            can be measured.
    """
    with existing_store(location.url) as store:
        record = with_own_networks(with_final_front(store.record()))
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer: Paretune has none to measure"
        )
    if record.baseline is None or not record.members:
        raise UserError("there is no front yet; run the study first")
    spec = location.spec()
    deployment = deployment_of(spec, request)
    trials = requested_trials(record, request.trials)
    device = _opened_device(record, deployment, request, notify)
    try:
        return _retargeted(location, request, trials, spec, record, deployment, device, notify)
    finally:
        if device is not None:
            device.close()


def _opened_device(
    record: StudyRecord, deployment: Deployment, request: RetargetRequest, notify: Notify
) -> StudyDevice | None:
    """Returns the device of a request, which answers and has the runtime; None for this machine.

    Raises:
        UserError: It is lost or refused, or lacks the runtime.
    """
    if request.device is None:
        if any(Quantity.of(o.name).local == SUSTAINED for o in record.axes):
            raise UserError(
                f"the objective {SUSTAINED} is that of a device under load: name one, such as "
                "--device ssh://pi@cam"
            )
        return None
    try:
        parse_address(request.device)
        check_on_device(deployment.name)
    except DeviceRefused as error:
        raise UserError(f"--device: {error}") from error
    device = StudyDevice(request.device, f"retarget of {record.name}", waits=False)
    device.notify = notify
    device.check_runtime(deployment.name, deployment.options.threads)
    return device


def _retargeted(
    location: StudyLocation,
    request: RetargetRequest,
    trials: Sequence[TrialRecord],
    spec: StudySpec,
    record: StudyRecord,
    deployment: Deployment,
    device: StudyDevice | None,
    notify: Notify,
) -> RetargetedStudy:
    host = fingerprint() if device is None else facts_of(device.facts())
    setting = digest(
        [deployment.target, deployment.name, deployment.options.model_dump(), canonical(host)]
    )[:16]
    retargets = Retargets(open_engine(location.url, create=True))
    rows = retargets.by_trial(setting)
    if request.again or any(trial.number not in rows for trial in trials):
        reason = deployment.runtime.unavailable()
        if reason:
            raise UserError(f"--runtime {deployment.name}: cannot be used here: {reason}")
        named = spec.devices.get(deployment.target, TargetDevice(""))
        access = None if device is None else DeviceUse(device, named.sustained, named.scores)
        chosen = _Setting(deployment, access, setting, host)
        rows = _measure(spec, record, trials, chosen, retargets, notify)
    requested = {trial.number: rows[trial.number] for trial in trials}
    return RetargetedStudy(record, deployment, requested, host)


@dataclass(frozen=True)
class _Setting:
    """What a study is measured in.

    Attributes:
        deployment: Runtime and options.
        device: The device; None for this machine.
        digest: Names the setting in the database.
        host: Facts about the machine.
    """

    deployment: Deployment
    device: DeviceUse | None
    digest: str
    host: Mapping[str, Any]


def _measure(
    spec: StudySpec,
    record: StudyRecord,
    trials: Sequence[TrialRecord],
    setting: _Setting,
    retargets: Retargets,
    notify: Notify,
) -> dict[int, RetargetedTrial]:
    """Measures trials, stores the results and returns trial number -> result."""
    from paretune.search.trial.stage_study import StageStudy

    study = StageStudy(spec)
    deployment = setting.deployment
    try:
        workbench = study.workbench
        _check_data(study, record)
        host = study.host if setting.device is None else digest(setting.host)[:12]
        study.store.add_host(host, setting.host)
        [gauge] = [t.gauge for t in workbench.targets if t.name == deployment.target]
        target = Target(deployment, gauge.artifact_dependent(), setting.device)
        files = RetargetArtifacts(study, deployment, retargets.artifacts(deployment.name))
        rows: dict[int, RetargetedTrial] = {}
        artifacts: dict[int, Artifact] = {}
        empty = RetargetedTrial(
            -1,
            setting.digest,
            deployment.target,
            deployment.name,
            deployment.options.model_dump(),
            host,
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
        measured, refused = _measurements(target, artifacts, workbench.data)
        for number, reason in refused.items():
            rows[number] = replace(rows[number], note=f"not measured: {reason}")
        for number, parts in measured.items():
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
) -> tuple[dict[int, Measured], dict[int, str]]:
    """Measures the artifacts, the baseline first.

    What needs data is measured one after the other, then all of them are timed side by side.

    Returns:
        Trial -> part -> quantity -> measurement; and trial -> why it cannot be measured here.

    Raises:
        UserError: The runtime cannot run or measure the file of the baseline, or time the files.
    """
    timed = {name for name, _ in target.gauge.quantities if OBJECTIVES.get(name).cost == TIMING}
    untimed = _with_quantities(target, lambda name: name not in timed)
    measured: dict[int, Measured] = {}
    refused: dict[int, str] = {}
    for number, artifact in artifacts.items():
        try:
            validation = untimed.measure(untimed.subject(artifact, NO_MODEL, data))
            measured[number] = {
                "validation": {m.name: m for m in validation},
                "test": {m.name: m for m in target.test(artifact, data)},
            }
        except Unmeasurable as error:
            if number == 0:
                text = f"{target.deployment.name}: the baseline cannot be measured: {error}"
                raise UserError(text) from error
            refused[number] = str(error)
    left = {number: artifacts[number] for number in measured}
    only_timed = _with_quantities(target, lambda name: name in timed)
    reference = measured[0]["validation"]
    try:
        for number, timings in _timings(only_timed, left, data, reference).items():
            measured[number]["validation"] |= {m.name: m for m in timings}
    except Unmeasurable as error:
        raise UserError(f"{target.deployment.name}: {error}") from error
    return measured, refused


def _with_quantities(target: Target, wanted: Callable[[str], bool]) -> Target:
    """Returns the target with some of its quantities."""
    gauge = target.gauge
    kept = tuple((name, options) for name, options in gauge.quantities if wanted(name))
    return replace(target, gauge=replace(gauge, quantities=kept))


def _timings(
    target: Target,
    artifacts: Mapping[int, Artifact],
    data: Dataset,
    reference: Mapping[str, Measurement],
) -> dict[int, list[Measurement]]:
    """Returns trial -> timings; the baseline is timed first, the others relative to it."""
    if not target.gauge.quantities:
        return {}
    [baseline] = _side_by_side(target, {0: artifacts[0]}, data, None, {})
    others = {number: artifact for number, artifact in artifacts.items() if number}
    timings = {0: baseline}
    if others:
        with_timings = {**reference, **{m.name: m for m in baseline}}
        timed = _side_by_side(target, others, data, artifacts[0], with_timings)
        timings |= dict(zip(others, timed, strict=True))
    return timings


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
