"""Measures several artifacts side by side, so that host drift affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from paretune.objectives.base import Measurement, Subject
from paretune.search.measuring.gauge import TIMING, Gauge, mark_alone, measure_one
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.tables import OBJECTIVES

SHORTEST = 0.05
"""Least seconds per network. A timing that has less is skipped."""


def measure_side_by_side(
    gauge: Gauge, subjects: Sequence[Subject], part: str
) -> list[list[Measurement]]:
    """Measures every quantity of a gauge on several artifacts.

    An objective with `measure_together(subjects, params)` times all artifacts in turn. Any other
    objective measures one artifact after the other.

    Args:
        gauge: Quantities to measure.
        subjects: Artifacts.
        part: Data part for objectives that need data.

    Returns:
        One list of measurements per subject.

    Raises:
        Unmeasurable: A quantity cannot be measured.
        WrongMeasurement: An objective returned something invalid.
    """
    results: list[list[Measurement]] = [[] for _ in subjects]
    for name, options in gauge.quantities:
        objective = OBJECTIVES.get(name)
        if objective.cost == TIMING and hasattr(objective, "measure_together"):
            params = objective.Params.model_validate(dict(options))
            answers = _timed(subjects, partial(objective.measure_together, subjects, params))
        else:
            answers = [measure_one(subject, name, options, part) for subject in subjects]
        _add(results, gauge, name, answers)
    return results


def _timed(subjects: Sequence[Subject], measure: Callable[[], Sequence[Any]]) -> Sequence[Any]:
    """Returns what subjects are timed as, while other Paretune work is off their machine.

    On this host the host lock keeps it off; on a device it is the lease, which each session takes.
    """
    if any(subject.device is not None for subject in subjects):
        return measure()
    with host_lock.measuring() as solitude:
        answers = measure()
        return [mark_alone(answer, solitude.value) for answer in answers]


def time_again(
    gauge: Gauge, subjects: Sequence[Subject], seconds: float
) -> list[list[Measurement]]:
    """Times several artifacts again, in one session of limited length.

    An objective without the option `seconds` is skipped, because
    nothing bounds its duration.

    Args:
        gauge: Quantities of the study; only timed ones are measured.
        subjects: Artifacts.
        seconds: Approximate length of the session; a disturbed host needs longer.

    Returns:
        One list of measurements per subject.

    Raises:
        Unmeasurable: A quantity cannot be measured.
        WrongMeasurement: An objective returned something invalid.
    """
    results: list[list[Measurement]] = [[] for _ in subjects]
    timings = [
        (name, objective, params)
        for name, options in gauge.quantities
        if (objective := OBJECTIVES.get(name)).cost == TIMING
        and hasattr(params := objective.Params.model_validate(dict(options)), "seconds")
    ]
    begun = time.monotonic()
    for index, (name, objective, params) in enumerate(timings):
        left = seconds - (time.monotonic() - begun)
        share = left / (len(timings) - index)
        each = min(params.seconds, share / len(subjects))
        if each < min(SHORTEST, params.seconds):
            break
        spread = {"spread": min(params.spread, share)} if hasattr(params, "spread") else {}
        params = params.model_copy(update={"seconds": each, **spread})
        if hasattr(objective, "measure_together"):
            measure = partial(objective.measure_together, subjects, params)
        else:
            measure = partial(_one_by_one, objective, subjects, params)
        answers = _timed(subjects, measure)
        _add(results, gauge, name, answers)
    return results


def _one_by_one(objective: Any, subjects: Sequence[Subject], params: Any) -> list[Any]:
    return [objective.measure(subject, params, "validation") for subject in subjects]


def _add(results: list[list[Measurement]], gauge: Gauge, name: str, answers: Sequence[Any]) -> None:
    """Appends an objective's measurements of each subject, under the names of the study."""
    for measurements, answer in zip(results, answers, strict=True):
        measurements += gauge.named_values(name, answer)
