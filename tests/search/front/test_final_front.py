"""The final front is that of the final measurements, which replace those of the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from paretune.objectives.base import Measurement
from paretune.objectives.classification_scores import wilson
from paretune.search.front.final_front import (
    EXTRA,
    front_chances,
    trials_to_remeasure,
    with_final_front,
)
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
EXAMPLES = 10_000


def accuracy(value: float, seen: int = EXAMPLES) -> Measurement:
    low, high = wilson(round(value * seen), seen)
    return Measurement("accuracy", value, "fraction", "higher", low, high, seen)


def latency(value: float, percent: float = 2.0) -> Measurement:
    low, high = value * (1 - percent / 100), value * (1 + percent / 100)
    return Measurement("latency", value, "ms", "lower", low, high, 50)


def trial(
    number: int,
    right: float,
    ms: float,
    final: float | None = None,
    test: float | None = None,
    violations: Mapping[str, float] | None = None,
) -> TrialRecord:
    return TrialRecord(
        number=number,
        state="complete",
        params={},
        plan=[],
        values={"accuracy": right, "latency": ms},
        measurements={"accuracy": accuracy(right), "latency": latency(ms)},
        test={} if test is None else {"accuracy": accuracy(test)},
        final={} if final is None else {"latency": latency(final)},
        violations=violations or {},
    )


def study(*trials: TrialRecord, front: tuple[int, ...]) -> StudyRecord:
    return StudyRecord("made", {}, AXES, trials, growth=(FrontPoint(1, 0.0, 0.5, front),))


def test_final_measurements_replace_those_of_the_search_which_are_kept() -> None:
    record = with_final_front(study(trial(0, 0.9, 2.0, 2.2), trial(1, 0.8, 1.0, 1.1), front=(0, 1)))
    first = record.trials[1]
    assert first.values == {"accuracy": 0.8, "latency": 1.1}
    assert first.measurements["latency"].value == 1.1
    assert first.searched["latency"].value == 1.0
    assert set(first.searched) == {"latency"}
    assert record.members == {0, 1}


def test_final_front_is_that_of_the_final_measurements() -> None:
    # In the search 1 was faster than 2; measured together it is slower, and less accurate.
    record = study(
        trial(0, 0.95, 3.0, 3.0),
        trial(1, 0.80, 0.9, 1.1),
        trial(2, 0.82, 1.0, 1.0),
        front=(0, 1, 2),
    )
    assert with_final_front(record).members == {0, 2}


def test_trial_outside_the_front_joins_it_by_its_final_measurements() -> None:
    record = study(
        trial(0, 0.95, 3.0, 3.0),
        trial(1, 0.85, 1.0, 1.05),
        trial(2, 0.849, 1.01, 0.99),
        front=(0, 1),
    )
    assert with_final_front(record).members == {0, 1, 2}


def test_record_is_unchanged_when_a_member_lacks_final_measurements() -> None:
    record = study(
        trial(0, 0.9, 2.0, 2.1), trial(1, 0.8, 1.0, 1.1), trial(2, 0.7, 0.5), front=(0, 1, 2)
    )
    assert with_final_front(record) == record


def test_record_with_a_final_front_is_unchanged() -> None:
    record = with_final_front(study(trial(0, 0.9, 2.0, 2.2), trial(1, 0.8, 1.0, 1.1), front=(0, 1)))
    assert with_final_front(record) is record


def test_record_without_trials_is_unchanged() -> None:
    record = StudyRecord("made", {}, AXES, ())
    assert with_final_front(record) is record
    assert front_chances(record) == {}
    assert trials_to_remeasure(record) == ()


@pytest.mark.parametrize(("latest", "feasible"), [(0.99, True), (1.01, False)])
def test_constraint_on_latency_is_checked_again(latest: float, feasible: bool) -> None:
    limit = "latency <= 0.5 x baseline"
    record = study(
        trial(0, 0.95, 2.0, 2.0, violations={limit: 1.0}),
        trial(1, 0.9, 0.9, latest, violations={limit: -0.1}),
        trial(2, 0.8, 0.7, 0.7, violations={limit: -0.3}),
        front=(1, 2),
    )
    final = with_final_front(record)
    assert final.trials[1].feasible == feasible
    assert final.trials[1].violations[limit] == pytest.approx(latest - 1)
    assert final.members == ({1, 2} if feasible else {2})
    assert (1 in front_chances(final)) == feasible


def test_chances_come_from_the_test_part_and_the_front_from_validation() -> None:
    record = with_final_front(
        study(
            trial(0, 0.95, 3.0, 3.0, test=0.95),
            trial(1, 0.93, 1.0, 1.0, test=0.80),  # on the front by a lucky validation
            trial(2, 0.90, 0.9, 0.9, test=0.90),
            front=(0, 1, 2),
        )
    )
    assert record.members == {0, 1, 2}
    assert front_chances(record) == {0: 1.0, 1: 0.0, 2: 1.0}


def test_chances_come_from_validation_when_a_trial_lacks_the_test_part() -> None:
    record = with_final_front(
        study(
            trial(0, 0.95, 3.0, 3.0, test=0.95),
            trial(1, 0.93, 1.0, 1.0),
            trial(2, 0.90, 0.9, 0.9, test=0.99),
            front=(0, 1, 2),
        )
    )
    assert front_chances(record) == {0: 1.0, 1: 1.0, 2: 1.0}


def test_final_front_needs_only_the_test_part_when_nothing_is_timed() -> None:
    record = study(trial(0, 0.9, 2.0, test=0.9), trial(1, 0.8, 1.0, test=0.7), front=(0, 1))
    assert with_final_front(record).final_members == {0, 1}


def test_baseline_front_and_trials_within_noise_are_measured_again() -> None:
    record = study(
        trial(0, 0.90, 9.0),
        trial(1, 0.95, 2.0),
        trial(2, 0.949, 2.01),  # worse than 1 by less than the noise
        trial(3, 0.94, 4.0),  # worse than 1 by more than the noise
        front=(1,),
    )
    assert trials_to_remeasure(record) == (0, 1, 2)


def test_at_most_extra_trials_outside_the_front_are_measured_again() -> None:
    twins = [trial(n, 0.95 - n / 1e6, 2.0 + n / 1e4) for n in range(2, 30)]
    record = study(trial(0, 0.90, 9.0), trial(1, 0.95, 2.0), *twins, front=(1,))
    assert len(trials_to_remeasure(record)) == 2 + EXTRA


def test_repeats_and_failed_trials_have_no_chance() -> None:
    repeat = replace(trial(2, 0.95, 2.0), repeat_of=1)
    failed = TrialRecord(number=3, state="failed", params={}, plan=[])
    record = study(trial(0, 0.90, 9.0), trial(1, 0.95, 2.0), repeat, failed, front=(1,))
    assert set(front_chances(record)) == {0, 1}
