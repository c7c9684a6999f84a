"""The final session: at the end of a run, the front is measured again in one session.

During the search each trial was measured at its own time. Now baseline, front and trials within
noise of the front take turns, so that host drift affects all of them alike. Their accuracy is
measured on the test part, which the search has not seen. Results are written when a session is
complete; a run that was killed during a session repeats it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable
from paretune.search.errors import UserError
from paretune.search.front.final_front import (
    front_chances,
    is_uncertain,
    remeasured_trials,
    trials_to_remeasure,
)
from paretune.search.front.growth import FrontTracker
from paretune.search.interruption import stop_if_interrupted
from paretune.search.measuring.gauge import WrongMeasurement
from paretune.search.running.seed_repeats import SeedRepeats
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.trial.events import Notice, Reporter

if TYPE_CHECKING:
    from paretune.search.trial.open_study import OpenStudy

SHARE = 0.1
"""Length of a session as a share of the time of all trials, if the study file gives no length."""

SHORTEST, LONGEST = 10.0, 120.0
"""Bounds on the length by `SHARE`, in seconds."""

MANY_TRIALS = 1000
"""A study with at least this many trials stores its front probabilities, for later commands."""

CHANCE = 0.005
"""Smallest front probability that is stored."""


def measure_final(
    study: OpenStudy,
    report: Reporter,
    left: Callable[[], float] = lambda: math.inf,
    trains: bool = True,
) -> None:
    """Measures front and baseline again, unless that was done since the last trial.

    Before that, the front is trained again with other seeds, if the study asks for it.

    Args:
        study: Open study after its search has ended.
        report: Receives a notice for the session.
        left: Returns the seconds that trainings may still take.
        trains: Whether this worker trains.

    Raises:
        UserError: The baseline cannot be measured on the test part.
    """
    record, chances = _measured_on_test(study, report)
    if len(record.trials) >= MANY_TRIALS and is_uncertain(record):
        study.store.save_chances(
            {n: p for n, p in chances.items() if p >= CHANCE or n in record.members}, record
        )
    numbers = trials_to_remeasure(record, chances)
    if study.spec.repeats > 1:
        SeedRepeats(study, report, left, trains).run(record)
    seconds = session_seconds(study.spec.final_seconds, record)
    if not seconds or not study.timed or not record.members or _up_to_date(record):
        return
    trials = [trial for trial in record.trials if trial.number in numbers]
    last = _last(record)
    del record  # thousands of trials take much memory, and all are read again
    with study.final_lock():
        if _up_to_date(study.store.record()):
            return  # another worker of this host did it meanwhile
        networks = f"front and baseline, {len(trials)} networks,"
        report(Notice(f"{networks} are measured again in one session, up to {seconds:.0f} s"))
        try:
            measured = study.time_again(trials, seconds)
        except (Unmeasurable, WrongMeasurement, OSError) as error:
            stop_if_interrupted()
            report(Notice(f"the front is not measured again: {error}"))
            return
    session = {"trials": len(trials), "after": last, "session": round(time.time(), 3)}
    study.finals.replace(
        {
            number: [
                replace(m, conditions={**m.conditions, "final": session}) for m in measurements
            ]
            for number, measurements in measured.items()
        },
        study.host,
        study.store.version,
    )


def _measured_on_test(
    study: OpenStudy, report: Reporter
) -> tuple[StudyRecord, Mapping[int, float]]:
    """Measures baseline, front and trials near it on the test part, unless that was done.

    A trial that cannot be measured there becomes infeasible, and the front moves.

    Returns:
        The study, and the chances of its trials to be on the front.

    Raises:
        UserError: The baseline cannot be measured.
    """
    while True:
        record = study.store.record()
        chances = front_chances(record)
        numbers = trials_to_remeasure(record, chances)
        chosen = [t for t in record.trials if t.number in numbers and t.artifact]
        trials = [t for t in chosen if not t.test or study.lacks_test(t)]
        refused = [trial for trial in trials if not _add_test(study, record, trial, report)]
        if not refused:
            return record, chances


def _add_test(study: OpenStudy, record: StudyRecord, trial: TrialRecord, report: Reporter) -> bool:
    """Measures a trial on the test part; returns False if it became infeasible.

    Raises:
        UserError: The baseline cannot be measured.
    """
    try:
        on_test = study.test(trial)
    except Unmeasurable as error:
        if trial.number == 0:
            raise UserError(f"the baseline fails on the test part: {error}") from error
        _refuse(study, record, trial.number, error)
        report(Notice(f"trial {trial.number} is infeasible: {error}"))
        return False
    if on_test:
        study.store.add_test(trial.number, on_test, study.host)
    return True


def _refuse(study: OpenStudy, record: StudyRecord, number: int, error: Unmeasurable) -> None:
    """Makes a trial infeasible, and writes the front of the other trials."""
    others = [t for t in study.store.record().trials if t.feasible and t.repeat_of is None]
    values = record.baseline.values if record.baseline else None
    tracker = FrontTracker(study.axes, values, study.classes)
    for trial in others:
        if trial.number != number:
            tracker.add(trial.number, trial.values)
    reason = {"stage": "test", "type": type(error).__name__, "text": str(error)}
    study.store.refuse(number, reason, tracker.point(number))


def session_seconds(fixed_length: float | None, record: StudyRecord) -> float:
    """Returns the length of a session in seconds; 0 for no session.

    Args:
        fixed_length: Length in the study file, or None.
        record: The study; the default length follows from the time of its trials.
    """
    if fixed_length is not None:
        return fixed_length
    spent = sum(t.finished - t.started for t in record.trials if t.finished and t.repeat_of is None)
    return min(LONGEST, max(SHORTEST, SHARE * spent))


def _last(record: StudyRecord) -> int:
    """Returns the highest number of a finished trial."""
    return max(trial.number for trial in record.trials if trial.state != "running")


def _up_to_date(record: StudyRecord) -> bool:
    """Returns whether the last session covered the present front, and no trial ended since."""
    finalists = [trial for trial in remeasured_trials(record) if trial.final]
    if not finalists or not record.members <= {trial.number for trial in finalists}:
        return False
    first = next(iter(finalists[0].final.values()))
    return bool(first.conditions["final"]["after"] == _last(record))
