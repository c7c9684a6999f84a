"""Timed runs: those that were interrupted are told apart, by two clocks rather than by speed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from objectives.runs import LEAST_RUNS, Runs

INPUTS = np.ones((120, 120), dtype=np.float32)


def work(inputs: Any) -> Any:
    return float(np.linalg.norm(INPUTS @ INPUTS))


class Interrupted:
    """Every other run waits 5 ms, as one does whose processor was taken."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, inputs: Any) -> Any:
        self.calls += 1
        if self.calls % 2:
            time.sleep(0.005)
        return work(inputs)


def test_interrupted_runs_do_not_count() -> None:
    runs = Runs(Interrupted(), INPUTS)
    runs.visit()
    assert runs.runs // 2 <= runs.disturbed < runs.runs
    assert max(runs.all_ms) < 5
    assert len(runs.all_ms) == runs.runs - runs.disturbed


def test_runs_that_are_all_interrupted_count_by_the_processor_s_clock() -> None:
    def always(inputs: Any) -> Any:
        time.sleep(0.005)
        return work(inputs)

    runs = Runs(always, INPUTS)
    runs.visit()
    assert runs.disturbed == runs.runs >= LEAST_RUNS
    assert len(runs.visits[0]) == runs.runs
    assert 0 < np.median(runs.all_ms) < 5


def test_runs_in_other_threads_all_count() -> None:
    """There the clock of this thread stands still, which is no interruption."""
    runs = Runs(lambda inputs: time.sleep(0.001), INPUTS)
    runs.warm_up(0.02)
    runs.visit()
    assert not runs.clocked
    assert runs.disturbed == 0 and len(runs.all_ms) == runs.runs


def test_each_visit_has_its_runs() -> None:
    runs = Runs(work, INPUTS)
    assert runs.warm_up(0.02) >= 5
    for _ in range(3):
        runs.visit()
    assert len(runs.visits) == 3
    assert all(len(visit) >= 1 for visit in runs.visits)
