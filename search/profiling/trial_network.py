"""A network to profile from a trial of a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.search.building.exporting import export
from paretune.search.building.watch import StageError, Watch
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.front.pick import pick
from paretune.search.profiling.networks import (
    ProfiledNetwork,
    export_file,
    runtime_of,
    with_threads,
)
from paretune.search.study.deployment import Deployment
from paretune.search.study.plan import Plan
from paretune.search.study.quantity import SCORE, Quantity
from paretune.search.trial.stage_study import StageStudy
from paretune.search.views.plan_text import trial_plan_text

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.locate import StudyLocation
    from paretune.search.study.records import TrialRecord
    from paretune.spaces.base import Candidate


@contextmanager
def trial_network(
    location: StudyLocation, query: str, runtime: str | None, threads: int | None, folder: Path
) -> Iterator[ProfiledNetwork]:
    """Opens a study and yields the network of one trial.

    In the study's own runtime the network's file is the measured one.

    Args:
        location: The study. It is open until the end of the block, because its data is used.
        query: "baseline", a trial's number, "knee", ... as for `search.front.pick.pick`.
        runtime: A target of the study, or the name of a runtime; None for the study's first.
        threads: Threads of one inference; None for those of the study.
        folder: Folder of the file for another runtime.

    Raises:
        UserError: The trial does not exist, its file is gone, or the runtime does not support it.
    """
    with existing_store(location.url) as store:
        record = store.record()
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer; profile one of them by "
            '--model "pkg.mod:factory" --shape ...'
        )
    try:
        trial = pick(record, query)
    except UserError as error:
        raise UserError(str(error).replace("--pick", "--trial", 1)) from error
    if trial.repeat_of is not None:
        trial = record.trials[trial.repeat_of]
    study = StageStudy(location.spec())
    try:
        plan = Plan.from_json(trial.plan)
        try:
            candidate = study.workbench.pipeline.candidate(plan, Watch())
        except StageError as error:
            raise UserError(f"trial {trial.number}: {error}") from error
        deployed = _deployed(study, trial, plan, candidate, runtime, threads, folder)
        candidate, artifact, entry, options = deployed
        yield ProfiledNetwork(
            f"{record.name}, trial {trial.number}: {trial_plan_text(trial)}",
            candidate.model.cpu().eval(),
            candidate.shape,
            candidate.outputs.size,
            plan.stages[0].params["architecture"],
            artifact,
            entry,
            options,
            candidate.quantization is not None,
            _accuracies(trial),
            study.workbench.data,
        )
    finally:
        study.close()


def _deployed(
    study: StageStudy,
    trial: TrialRecord,
    plan: Plan,
    candidate: Candidate,
    runtime: str | None,
    threads: int | None,
    folder: Path,
) -> tuple[Candidate, Artifact, Any, Any]:
    """Returns (candidate as deployed, file, runtime, options)."""
    pipeline, data = study.workbench.pipeline, study.workbench.data
    for target in study.workbench.targets:
        if runtime in (None, target.name, target.deployment.name):
            entry, options = target.deployment.runtime, target.deployment.options
            options = with_threads(entry, options, threads)
            candidate, _ = pipeline.suited(plan, candidate, target.deployment)
            return candidate, _measured_file(trial, study, target.name), entry, options
    entry, options = runtime_of(runtime or "", threads)
    suited, _ = pipeline.suited(plan, candidate, Deployment(None, entry.name, options))
    artifact = export_file(lambda path: export(suited, entry.name, path, data), entry, folder)
    return suited, artifact, entry, options


def _measured_file(trial: TrialRecord, study: StageStudy, target: str | None) -> Artifact:
    artifact = study.workbench.artifact(trial, target)
    if not artifact.path.is_file() or sha256_of(artifact.path) != artifact.sha256:
        raise UserError(
            f"{artifact.path}: the measured file is gone or changed; run the study again"
        )
    return artifact


def _accuracies(trial: TrialRecord) -> tuple[Measurement, ...]:
    """Returns the fractions that the study measured on the validation and test part."""
    validation = [m for m in trial.measurements.values() if _is_accuracy(m)]
    test = [replace(m, name=f"{m.name} (test)") for m in trial.test.values() if _is_accuracy(m)]
    return (*validation, *test)


def _is_accuracy(measured: Measurement) -> bool:
    """Returns whether it is a fraction, and the main value of its objective."""
    quantity = Quantity.of(measured.name)
    if quantity.objective == SCORE:
        return "part" in measured.conditions
    return measured.unit == "fraction" and quantity.value is None
