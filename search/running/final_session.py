"""Finals: the front is measured again at the end of a run, all of it in one session.

During the search each trial was measured at its own time; now the front, who is within noise of it
and the baseline take turns, so that what the machine does meanwhile happens to all of them. Their
accuracy is measured on the test part, which the search has not seen. Nothing is written before a
session is over: killed in it, a run goes on with it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable
from paretune.search.front.final_front import (
    front_chances,
    is_uncertain,
    remeasured_trials,
    trials_to_remeasure,
)
from paretune.search.measuring.gauge import WrongMeasurement
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.records import StudyRecord
from paretune.search.trial.events import Notice, Reporter

if TYPE_CHECKING:
    from paretune.search.trial.open_study import OpenStudy

SHARE = 0.1
"""Of the time that the trials took: what a session may take where the study file does not say."""

LEAST, MOST = 10.0, 120.0
"""Seconds that SHARE is kept between."""

MANY = 1000
"""Trials from which on the probabilities to be on the front are kept for who looks at it later."""

CHANCE = 0.005
"""The smallest of them that is kept."""

SHORTEST = 0.05
"""Seconds for one network below which a measurement is not made."""


def settle(study: OpenStudy, report: Reporter) -> None:
    """Measures front and baseline again, where that has not been done since the last trial.

    Args:
        study: Its trials are done, or as many as there was time for.
        report: Told of what is done.
    """
    record = study.store.record()
    chances = front_chances(record)
    if len(record.trials) >= MANY and is_uncertain(record):
        study.store.save_chances(
            {n: p for n, p in chances.items() if p >= CHANCE or n in record.members}, record
        )
    numbers = trials_to_remeasure(record, chances)
    for trial in record.trials:
        if trial.number in numbers and not trial.test and trial.artifact is not None:
            on_test = study.test(trial)
            if on_test:
                study.store.add_test(trial.number, on_test, study.host)
    seconds = allowed(study.spec.final_seconds, record)
    if not seconds or not study.timed or not record.members or _up_to_date(record):
        return
    trials = [trial for trial in record.trials if trial.number in numbers]
    with host_lock.measuring():
        if _up_to_date(study.store.record()):
            return  # another worker of this host was quicker
        what = f"front and baseline, {len(trials)} networks,"
        report(Notice(f"{what} are measured again in one session, up to {seconds:.0f} s"))
        try:
            measured = study.again(trials, seconds)
        except (Unmeasurable, WrongMeasurement, OSError) as error:
            report(Notice(f"the front is not measured again: {error}"))
            return
    said = {"trials": len(trials), "after": _last(record), "session": round(time.time(), 3)}
    study.finals.replace(
        {
            number: [replace(m, conditions={**m.conditions, "final": said}) for m in found]
            for number, found in measured.items()
        },
        study.host,
    )


def allowed(given: float | None, record: StudyRecord) -> float:
    """Seconds that a session may take; 0 for none.

    Args:
        given: What the study file says, or None.
        record: The study, whose trials took some time.
    """
    if given is not None:
        return given
    spent = sum(t.finished - t.started for t in record.trials if t.finished and t.repeat_of is None)
    return min(MOST, max(LEAST, SHARE * spent))


def _last(record: StudyRecord) -> int:
    """The highest number of a finished trial."""
    return max(trial.number for trial in record.trials if trial.state != "running")


def _up_to_date(record: StudyRecord) -> bool:
    """Whether the last session saw the front as it is, and there was no trial since."""
    finalists = [trial for trial in remeasured_trials(record) if trial.final]
    if not finalists or not record.members <= {trial.number for trial in finalists}:
        return False
    first = next(iter(finalists[0].final.values()))
    return bool(first.conditions["final"]["after"] == _last(record))
