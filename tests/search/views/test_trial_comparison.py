"""A trial beside the baseline: what has pairs is compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paretune.search.study.records import TrialRecord
from paretune.search.views.trial_comparison import comparison_lines
from support.measurements import accuracy, latency, paired_accuracy

RIGHT = np.arange(1000) >= 50
FEWER = RIGHT & (np.arange(1000) < 989)

BASE = TrialRecord(
    0,
    "complete",
    {},
    [],
    measurements={"accuracy": paired_accuracy(RIGHT, "validation"), "latency": latency(2.0, 3)},
    test={"accuracy": paired_accuracy(RIGHT)},
    final={"latency": latency(2.0, 1)},
)


def test_lines_name_test_validation_and_final_times() -> None:
    trial = replace(
        BASE,
        number=4,
        measurements={"accuracy": paired_accuracy(RIGHT, "validation"), "latency": latency(1.0, 3)},
        test={"accuracy": paired_accuracy(FEWER)},
        final={"latency": latency(4.0, 1)},
    )
    tested, validated, timed = comparison_lines(trial, BASE)
    assert tested.startswith("accuracy on test        -1.10 points (-1.9")
    assert tested.endswith("), McNemar p < 0.001")
    assert validated == "accuracy on validation  equal on every example"
    assert timed == "latency                 2.0x slower (1.97x to 2.0x)"


def test_accuracies_without_results_are_not_compared() -> None:
    trial = TrialRecord(
        4, "complete", {}, [], measurements={"accuracy": accuracy(940, 1000)}, test={}
    )
    assert comparison_lines(trial, BASE) == []


def test_baseline_is_not_compared_with_itself() -> None:
    assert comparison_lines(BASE, BASE) == []
    assert comparison_lines(BASE, None) == []
