"""The front tracker has the front and the hypervolume of the trials that it was given."""

from __future__ import annotations

import pytest

from paretune.search.front.growth import FrontTracker, with_hypervolumes
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord

ERROR, LATENCY = Axis("error", "fraction", "lower"), Axis("latency", "ms", "lower")


def test_tracker_reports_whether_a_trial_changed_the_front() -> None:
    tracker = FrontTracker((ERROR, LATENCY), {"error": 0.5, "latency": 2.0}, None)
    assert tracker.hypervolume == 0.0
    assert tracker.add(1, {"error": 0.5, "latency": 1.0})
    assert not tracker.add(2, {"error": 0.6, "latency": 1.0})
    assert tracker.add(3, {"error": 0.4, "latency": 1.0})
    assert tracker.front == {3: {"error": 0.4, "latency": 1.0}}


def test_hypervolume_is_a_share_of_the_box_to_the_reference() -> None:
    tracker = FrontTracker((ERROR, LATENCY), {"error": 0.5, "latency": 2.0}, None)
    tracker.add(1, {"error": 0.3, "latency": 1.0})  # 0.6 and 0.5 times the baseline, of 1.2
    assert tracker.hypervolume == pytest.approx((1 - 0.6 / 1.2) * (1 - 0.5 / 1.2))
    assert tracker.point(1, 20.0) == FrontPoint(1, 20.0, tracker.hypervolume, (1,))


def test_hypervolume_is_unknown_without_baseline_and_worst() -> None:
    tracker = FrontTracker((ERROR, LATENCY), None, None)
    assert tracker.add(1, {"error": 0.3, "latency": 1.0})
    assert tracker.hypervolume is None


def test_unknown_hypervolumes_are_filled_in_by_the_worst_feasible_values() -> None:
    values = [(0.1, 4.0), (0.5, 1.0), (0.9, 9.0)]
    trials = tuple(
        TrialRecord(number, "complete", {}, [], {"error": error, "latency": latency})
        for number, (error, latency) in enumerate(values, 1)
    )
    history = (FrontPoint(1, 1.0, None, (1,)), FrontPoint(2, 2.0, None, (1, 2)))
    record = with_hypervolumes(StudyRecord("s", {}, (ERROR, LATENCY), trials, history))
    first, second = (point.hypervolume for point in record.growth)
    assert first == pytest.approx(5 / 8)
    assert second == pytest.approx(1 - 3 / 8 * 4 / 8)
    assert with_hypervolumes(record) is record
