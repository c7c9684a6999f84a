"""Takes up a changed study file: checks the change, tells what it means, and writes the version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.search.changing.change import StudyChange, change_of
from paretune.search.changing.fronts import front_history
from paretune.search.changing.measuring_again import MeasuringAgain
from paretune.search.changing.new_measurements import NewMeasurements
from paretune.search.changing.stored_study import StoredStudy, read_stored
from paretune.search.database.engine import creation_lock
from paretune.search.database.rows import engine_rows
from paretune.search.database.version_writer import NewVersion, VersionWriter
from paretune.search.errors import UserError
from paretune.search.study.quantity import Quantity
from paretune.search.study.records import TrialRecord
from paretune.search.study.spec import canonical
from paretune.search.trial.events import Notice, Reporter
from paretune.search.trial.resume_check import identity

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec
    from paretune.search.trial.open_study import OpenStudy


def take_up_changes(
    study: OpenStudy, report: Reporter, joins: bool = False, others: bool = False
) -> bool:
    """Makes the study file the present version of its study, if it changed.

    Args:
        study: The open study; its store runs the present version afterwards.
        report: Receives a notice that says what changed, and what that means.
        joins: Whether this process joins a running study, which it must not change.
        others: Whether other processes run the study.

    Returns:
        Whether the study changed.

    Raises:
        UserError: The change cannot be taken up; nothing was written.
    """
    if study.store.study() is None:
        return False
    with creation_lock(study.engine):
        stored = read_stored(engine_rows(study.engine))
        change = change_of(stored, study.spec)
        if change is None:
            _run_version(study, stored.newest.number, stored.newest.changes.retried)
            return False
        _refuse_old_file(stored, study.spec, joins, others)
        new = _measured_baseline(study, change, report)
        report(Notice(change.line))
        effects = change.effects
        change = replace(change, added={m.name: m for m in new.measured})
        written = VersionWriter(study.engine).begin(
            _new_version(study, change, effects), new.measured, study.host, new.artifacts
        )
        assert written, "no other process writes a version while this one has the lock"
    _run_version(study, change.number, change.retried)
    return True


def _run_version(study: OpenStudy, number: int, retried: Iterable[int]) -> None:
    study.store.version = number
    study.store.retried = frozenset(retried)


def _refuse_old_file(stored: StoredStudy, spec: StudySpec, joins: bool, others: bool) -> None:
    """Refuses to bring back an earlier version that a file of another process may still have.

    Raises:
        UserError: This process joins a study of another version, or the file is of an earlier one.
    """
    newest = stored.newest.number
    mine = json.loads(canonical(identity(spec)))
    same = [v.number for v in stored.versions[:-1] if v.identity == mine]
    if joins:
        what = f"is of version {same[-1]}" if same else "is not that version"
        raise UserError(
            f"{spec.file.name}: the study has version {newest}, and this file {what}. Copy the "
            "present file here, or take this one up with: paretune run"
        )
    if same and others:
        raise UserError(
            f"{spec.file.name}: this file is of version {same[-1]} of the study, and other "
            f"processes run version {newest}. Copy the present file here to join them; or stop "
            "them, and type the same command again to go back"
        )


def _measured_baseline(study: OpenStudy, change: StudyChange, report: Reporter) -> NewMeasurements:
    """Measures what the baseline lacks, before anything is written.

    Raises:
        UserError: It cannot be measured.
    """
    first = change.stored.baseline
    if first is None:
        _refuse_unknown(change)
        return NewMeasurements(())
    return MeasuringAgain(study, report).measure_baseline(first, change.stale)


def _refuse_unknown(change: StudyChange) -> None:
    """Refuses an objective that no trial of a study without a baseline has measured.

    Raises:
        UserError: There is one.
    """
    trials = [t for t in change.stored.trials if t.state == "complete" and t.repeat_of is None]
    lacking = [name for name, count in change.missing.items() if trials and count == len(trials)]
    if lacking and change.spec.trainer is not None and change.spec.trainer.cheap is None:
        name, file = lacking[0], change.spec.file.name
        raise UserError(
            f"{file}: {name} is not known of any earlier trial, and cannot be measured without "
            "training, as only your `evaluate` knows it. Change the file back, or start another "
            "study: copy the file to NEW.yaml, with another name in `study:`, and type "
            f"paretune run NEW.yaml --from {file}"
        )


def _new_version(study: OpenStudy, change: StudyChange, effects: tuple[str, ...]) -> NewVersion:
    spec, old = study.spec, change.stored.identity
    present = change.present
    return NewVersion(
        number=change.number,
        source=spec.source,
        identity=change.identity,
        axes=study.axes,
        changes=replace(change.changes(), effects=effects),
        first_identity=old,
        present={n: (trial.values, trial.violations) for n, trial in present.items()},
        front=front_history(
            [_present_record(trial, change) for trial in change.stored.trials],
            study.axes,
            present[0].values if 0 in present else None,
            study.classes,
        ),
        local_stale=[Quantity.of(name).local for name in change.stale],
        directions=_turned(old["objectives"], change.identity["objectives"]),
        drops_finals=old["objectives"] != change.identity["objectives"],
        ends_racing=spec.racing is None,
        resets_rungs=_has_new_values(change),
    )


def _has_new_values(change: StudyChange) -> bool:
    """Returns whether earlier trials were compared at rungs without what counts now."""
    old = change.stored.identity["objectives"]
    return any(o.name not in old or o.name in change.stale for o in change.spec.objectives)


def _present_record(trial: TrialRecord, change: StudyChange) -> TrialRecord:
    present = change.present.get(trial.number)
    if present is None:
        return trial
    return replace(trial, values=present.values, violations=present.violations)


def _turned(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Returns objective -> "lower" or "higher", of those whose direction changed."""
    better = {"minimize": "lower", "maximize": "higher"}
    shared = [name for name in new if name in old and [*old[name]] != [*new[name]]]
    return {name: better[next(iter(new[name]))] for name in shared}
