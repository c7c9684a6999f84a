"""Timed runs: which had the processor for themselves, by two clocks and a probe, not by speed."""

from __future__ import annotations

import itertools
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.runs import LEAST_CALM, TimedBlock, TimedRuns

INPUTS = np.ones((120, 120), dtype=np.float32)


class Fixed(ContentionProbe):
    """Takes as long as it is told, in turn; 1 ms is the best."""

    def __init__(self, *takes: float) -> None:
        self._takes = itertools.cycle(takes)
        self.best_ms = 1.0

    def __call__(self) -> float:
        return next(self._takes)


def runs_of(session: Callable[[Any], Any], probe: ContentionProbe | None = None) -> TimedRuns:
    made = TimedRuns(lambda: session, INPUTS, probe or Fixed(1.0))
    made.begin()
    return made


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


def block(wall: Sequence[float], cpu: Sequence[float], probe: Sequence[float]) -> TimedBlock:
    made = TimedBlock()
    made.wall, made.cpu, made.probe = (array("d", row) for row in (wall, cpu, probe))
    return made


def test_runs_that_were_interrupted_or_shared_the_processor_do_not_count() -> None:
    made = block([1.0, 2.0, 3.0, 4.0], [1.0, 1.9, 1.5, 4.0], [1.0, 1.1, 1.0, 1.3])
    # the third was interrupted (3 > 1.05 * 1.5), the fourth had a neighbour (1.3 > 1.2 * 1)
    assert made.undisturbed(clocked=True, best_ms=1.0) == [1.0]
    assert made.undisturbed(clocked=True, best_ms=2.0) == [1.0, 4.0]
    assert made.undisturbed(clocked=False, best_ms=1.0) == [1.0, 2.0, 3.0]


def test_next_best_are_the_runs_between_the_quickest_probes() -> None:
    made = block([10.0 + i for i in range(60)], [float(i) for i in range(60)], range(60, 0, -1))
    assert sorted(made.next_best(clocked=True)) == [54.0, 55.0, 56.0, 57.0, 58.0, 59.0]
    assert min(made.next_best(clocked=False)) == 64.0


def test_interrupted_runs_do_not_count() -> None:
    runs = runs_of(Interrupted())
    for _ in range(5):
        runs.visit()
    assert max(*runs.counted([0])[0], 0) < 5
    assert 0.3 < runs.disturbed() < 1


def test_runs_that_are_all_interrupted_count_by_the_processor_s_clock() -> None:
    def always(inputs: Any) -> Any:
        time.sleep(0.005)
        return work(inputs)

    runs = runs_of(always)
    for _ in range(LEAST_CALM):
        runs.visit()
    assert runs.disturbed() == 1 and not runs.calm(0)
    [counted] = runs.counted([0])
    assert len(counted) == LEAST_CALM
    assert 0 < np.median(counted) < 5


@pytest.mark.parametrize(("probe", "calm"), [((1.0,), True), ((1.0, 2.0), False)], ids=str)
def test_run_counts_when_both_probes_around_it_are_quick(
    probe: tuple[float, ...], calm: bool
) -> None:
    runs = runs_of(lambda inputs: time.sleep(0.001), Fixed(*probe))
    runs.warm_up(0.01)
    runs.begin()
    runs.visit()
    assert runs.calm(1) == calm
    assert runs.disturbed() == (0.0 if calm else 1.0)


def test_runs_in_other_threads_all_count() -> None:
    """There the clock of this thread stands still, which is no interruption."""
    runs = runs_of(lambda inputs: time.sleep(0.001))
    runs.warm_up(0.02)
    runs.visit()
    assert not runs.clocked
    assert runs.disturbed() == 0


def test_session_with_a_clock_of_its_own_is_timed_by_it() -> None:
    """As a GPU's events are; there it does not matter who shares the processor."""

    class Device:
        def __call__(self, inputs: Any) -> Any:
            return inputs

        def timed(self, inputs: Any) -> float:
            time.sleep(0.001)
            return 0.25

    runs = runs_of(Device(), Fixed(1.0, 9.0))
    assert runs.warm_up(0.01) >= 5
    runs.visit()
    assert set(runs.counted([0])[0]) == {0.25}
    assert runs.disturbed() == 0 and runs.calm(0) and not runs.clocked


def test_each_visit_has_a_run_of_a_slow_network() -> None:
    runs = runs_of(lambda inputs: time.sleep(0.02))
    runs.clocked = False
    for _ in range(3):
        runs.visit()
    assert runs.visits == 3
    assert len(runs.blocks[0].wall) == 3
    assert runs.calm(0)  # fewer than are wanted elsewhere, and all of them


def test_artifact_is_loaded_anew() -> None:
    loads: list[int] = []

    def load() -> Callable[[Any], Any]:
        loads.append(1)
        return work

    runs = TimedRuns(load, INPUTS, Fixed(1.0))
    runs.renew()
    assert len(loads) == 2
