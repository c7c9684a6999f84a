"""Retargeting: the stored models of a study, measured in another place. Nothing is trained.

In the study's own runtime the stored file itself is measured; for another one the trained network
comes from the stage cache and is exported anew, quantized as in its trial where that runtime has
the mode and in float where it has not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from paretune.objectives.base import Measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import fingerprint
from paretune.search.building.watch import StageError, Watch
from paretune.search.database.engine import open_engine
from paretune.search.database.retargets import Retargets
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.measuring.session import measure_side_by_side
from paretune.search.measuring.targets import NO_MODEL, Target
from paretune.search.study.deployment import Deployment
from paretune.search.study.plan import Plan
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.retarget_records import Retargeted, Retargeting
from paretune.search.study.spec import Selection, StudySpec, canonical, digest
from paretune.search.study.tables import RUNTIMES
from paretune.search.study_file.space import message
from paretune.spaces.table import UnknownName, did_you_mean

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.locate import StudyLocation
    from paretune.search.trial.stage_study import StageStudy

Notice = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What a user asks for.

    Attributes:
        runtime: Its name; None for the study's.
        options: Of the runtime, those that are given.
        target: Whose models and quantities, in a study of several targets; None for the first.
        trials: "front", "all", or numbers apart by commas.
        again: Measure even what is stored.
    """

    runtime: str | None = None
    options: Mapping[str, Any] | None = None
    target: str | None = None
    trials: str = "front"
    again: bool = False


def retarget(
    located: StudyLocation, wanted: Wanted, say: Notice = lambda text: None
) -> Retargeting:
    """Measures a study's models in another place, or gives what is stored of that.

    Args:
        located: The study.
        wanted: Where, and which trials.
        say: Told what is being done.

    Raises:
        UserError: There is no such study, runtime, option, target or trial, or nothing can be
            measured.
    """
    with existing_store(located.url) as store:
        record = store.record()
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer: Paretune has none to measure"
        )
    if record.baseline is None or not record.members:
        raise UserError("there is no front yet; run the study first")
    spec = located.spec()
    deployment = place_of(spec, wanted)
    trials = chosen(record, wanted.trials)
    host = fingerprint()
    setting = digest(
        [deployment.target, deployment.name, deployment.options.model_dump(), canonical(host)]
    )[:16]
    retargets = Retargets(open_engine(located.url, create=True))
    known = retargets.of(setting)
    if wanted.again or any(trial.number not in known for trial in trials):
        why = deployment.runtime.unavailable()
        if why:
            raise UserError(f"--runtime {deployment.name}: cannot be used here: {why}")
        known = _measured(spec, record, trials, deployment, setting, retargets, say)
    rows = {trial.number: known[trial.number] for trial in trials}
    return Retargeting(record, deployment, rows, host)


def place_of(spec: StudySpec, wanted: Wanted) -> Deployment:
    """The runtime with its options: the study's own, those given, then defaults.

    Of the study's options an other runtime gets the thread count, so that the two compare.

    Raises:
        UserError: There is no such target, runtime or option.
    """
    own = _own_place(spec, wanted.target)
    name = wanted.runtime or own.name
    try:
        entry = RUNTIMES.get(name)
    except UnknownName as error:
        raise UserError(f"--runtime: {error}") from error
    fields = entry.Params.model_fields
    kept = own.params if name == own.name else {k: v for k, v in own.params.items() if k in THREADS}
    given = dict(wanted.options or {})
    for key in given:
        if key not in fields:
            hint = did_you_mean(key, list(fields)) or "."
            raise UserError(
                f"--option {key}: {name} has no such option{hint} Known: {', '.join(fields)}."
            )
    merged = {key: value for key, value in {**kept, **given}.items() if key in fields}
    try:
        options = entry.Params.model_validate(merged)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"--option {where}: {message(error, merged.get(where))}") from error
    target = (wanted.target or next(iter(spec.targets))) if spec.targets else None
    return Deployment(target, name, options)


THREADS = ("threads",)
"""Options that mean the same in every runtime."""


def _own_place(spec: StudySpec, target: str | None) -> Selection:
    if target is None:
        return spec.runtime
    if target not in spec.targets:
        known = ", ".join(spec.targets) or "none: the study has one runtime"
        hint = did_you_mean(target, list(spec.targets)) or "."
        raise UserError(f'--target: the study has no target "{target}"{hint} Known: {known}.')
    return spec.targets[target]


def option_of(text: str) -> tuple[str, Any]:
    """`threads=2` -> ("threads", 2); the value is YAML.

    Raises:
        UserError: It is none.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--option {text}: give a key and a value: --option threads=2")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--option {text}: the value is no YAML") from error


def chosen(record: StudyRecord, trials: str) -> list[TrialRecord]:
    """The trials that are meant, the baseline first.

    Raises:
        UserError: There is no such trial, or it has no model.
    """
    whole = {t.number: t for t in record.trials if t.state == "complete" and t.repeat_of is None}
    if trials == "front":
        numbers = set(record.members)
    elif trials == "all":
        numbers = set(whole)
    else:
        parts = [part.strip() for part in trials.split(",")]
        if not all(part.isdigit() for part in parts):
            raise UserError(f"--trials {trials}: give front, all, or numbers: 3,7")
        numbers = set(map(int, parts))
    for number in sorted(numbers - set(whole)):
        raise UserError(f"--trials: trial {number} has no model of its own; see: paretune show")
    return [whole[number] for number in sorted({0, *numbers})]


# -- measuring -----------------------------------------------------------------------------------


class Missing(Exception):
    """There is no model of a trial to measure; the text says why."""


def _measured(
    spec: StudySpec,
    record: StudyRecord,
    trials: Sequence[TrialRecord],
    deployment: Deployment,
    setting: str,
    retargets: Retargets,
    say: Notice,
) -> dict[int, Retargeted]:
    from paretune.search.trial.stage_study import StageStudy

    study = StageStudy(spec)
    try:
        _check_data(study, record)
        study.store.add_host(study.host, fingerprint())
        [gauge] = [t.gauge for t in study.workbench.targets if t.name == deployment.target]
        target = Target(deployment, gauge.of_artifacts())
        bench = _Bench(study, target, retargets.files(deployment.name))
        rows: dict[int, Retargeted] = {}
        ready: dict[int, Artifact] = {}
        empty = Retargeted(
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
                ready[trial.number], note = bench.artifact(trial)
            except Missing as error:
                if trial.number == 0:
                    raise UserError(f"the baseline cannot be measured: {error}") from error
                note = f"not measured: {error}"
            rows[trial.number] = replace(empty, trial=trial.number, note=note)
        say(f"{len(ready)} networks are measured in {deployment.name}, side by side")
        for number, (artifact, found) in bench.measure(ready).items():
            stored = study.workbench.artifact_json(artifact)
            rows[number] = replace(rows[number], artifact=stored, measured=found)
        retargets.put(list(rows.values()))
        return rows
    finally:
        study.close()


def _check_data(study: StageStudy, record: StudyRecord) -> None:
    known = record.info.get("fingerprint")
    if known is not None and known != study.workbench.data.fingerprint:
        raise UserError(
            "the data is not what the study was run on: accuracies could not be compared; give it "
            "the same data"
        )


class _Bench:
    """Artifacts of trials in another place, and their measurements.

    Args:
        study: Open.
        target: The place, and what is measured there.
        made: Trial -> artifact that an earlier retargeting made for this runtime.
    """

    def __init__(
        self, study: StageStudy, target: Target, made: Mapping[int, Mapping[str, Any]]
    ) -> None:
        self._study = study
        self._target = target
        self._made = made

    def artifact(self, trial: TrialRecord) -> tuple[Artifact, str]:
        """A trial's file for the place, and what it is.

        Raises:
            Missing: There is none, and it cannot be made without training.
        """
        deployment = self._target.deployment
        stored = self._study.workbench.artifact(trial, deployment.target)
        if stored.runtime == deployment.name:
            return _same(stored), "the stored file"
        known = self._made.get(trial.number)
        if known is not None:
            from paretune.search.trial.workbench import artifact_of

            earlier = artifact_of(known, self._study.spec.folder)
            if earlier.path.is_file() and sha256_of(earlier.path) == earlier.sha256:
                return earlier, str(earlier.info.get("note") or "exported anew")
        return self._exported(trial)

    def _exported(self, trial: TrialRecord) -> tuple[Artifact, str]:
        pipeline, deployment = self._study.workbench.pipeline, self._target.deployment
        plan = Plan.from_json(trial.plan)
        gone = pipeline.dropped(plan)
        if gone:
            raise Missing(
                f"{' and '.join(gone)} of it: no longer in the stage cache, and nothing is "
                "trained here"
            )
        try:
            candidate, said = pipeline.suited(plan, pipeline.candidate(plan, Watch()), deployment)
            folder = self._study.spec.folder / "retargets" / deployment.name
            file = folder / f"trial-{trial.number:05d}{deployment.runtime.suffix}"
            made = pipeline.deploy(plan, candidate, file, Watch(), deployment)
        except StageError as error:
            raise Missing(error.text) from error
        note = said or "exported anew"
        return replace(made, info={**made.info, "note": note}), note

    def measure(
        self, artifacts: Mapping[int, Artifact]
    ) -> dict[int, tuple[Artifact, dict[str, dict[str, Measurement]]]]:
        """Trial -> its artifact and part -> quantity -> measurement; the baseline first.

        Raises:
            UserError: The runtime cannot run or measure one of the files.
        """
        try:
            [first] = self._together({0: artifacts[0]}, None, {})
            reference = {m.name: m for m in first}
            others = {number: a for number, a in artifacts.items() if number}
            found = {0: first}
            if others:
                rest = self._together(others, artifacts[0], reference)
                found |= dict(zip(others, rest, strict=True))
            parts = {}
            for number, measured in found.items():
                on_test = self._target.test(artifacts[number], self._study.workbench.data)
                parts[number] = (
                    artifacts[number],
                    {
                        "validation": {m.name: m for m in measured},
                        "test": {m.name: m for m in on_test},
                    },
                )
        except Unmeasurable as error:
            raise UserError(f"{self._target.deployment.name}: {error}") from error
        return parts

    def _together(
        self,
        artifacts: Mapping[int, Artifact],
        baseline: Artifact | None,
        reference: Mapping[str, Measurement],
    ) -> list[list[Measurement]]:
        subjects = [
            self._target.subject(
                artifact, NO_MODEL, self._study.workbench.data, baseline, reference
            )
            for artifact in artifacts.values()
        ]
        measured = measure_side_by_side(self._target.gauge, subjects, "validation")
        return [self._target.named(found) for found in measured]


def _same(stored: Artifact) -> Artifact:
    """The stored file, when it is still the one that was measured.

    Raises:
        Missing: It is gone, or another.
    """
    if not stored.path.is_file():
        raise Missing(f"its file {stored.path.name} is gone")
    if sha256_of(stored.path) != stored.sha256:
        raise Missing(f"its file {stored.path.name} is not the one that the study measured")
    return stored
