"""Timed runs: two clocks and a probe tell which were disturbed, on a host of any speed."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from paretune.objectives.timing.blocks import LEAST_CALM, TimedBlock
from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.runs import TimedRuns

INPUTS = np.ones((120, 120), dtype=np.float32)

MakeRuns = Callable[..., TimedRuns]


@pytest.fixture
def make_runs(fixed_probe: Callable[..., ContentionProbe]) -> MakeRuns:
    """Runs of a session in a first block; the probe returns 1 ms, its best, unless set."""

    def make(session: Callable[[Any], Any], *probe_ms: float) -> TimedRuns:
        runs = TimedRuns(lambda: session, [INPUTS], fixed_probe(*(probe_ms or (1.0,))))
        runs.begin_block()
        return runs

    return make


def work(inputs: Any) -> Any:
    return float(np.linalg.norm(INPUTS @ INPUTS))


def sleep(inputs: Any) -> None:
    time.sleep(0.001)


def block(wall: Sequence[float], cpu: Sequence[float], probe: Sequence[float]) -> TimedBlock:
    timed = TimedBlock()
    timed.wall, timed.cpu, timed.probe = (array("d", row) for row in (wall, cpu, probe))
    return timed


def test_undisturbed_leaves_out_runs_that_were_interrupted_or_shared_the_core() -> None:
    timed = block([1.0, 2.0, 3.0, 4.0], [1.0, 1.9, 1.5, 4.0], [1.0, 1.1, 1.0, 1.3])
    # The second and third were interrupted (2 > 1.05 * 1.9 + 0.003, 3 > 1.05 * 1.5 + 0.003);
    # the fourth had a neighbour (1.3 > 1.2 * 1).
    assert timed.undisturbed(has_cpu_clock=True, best_ms=1.0) == [1.0]
    assert timed.undisturbed(has_cpu_clock=True, best_ms=2.0) == [1.0, 4.0]
    assert timed.undisturbed(has_cpu_clock=False, best_ms=1.0) == [1.0, 2.0, 3.0]


def test_least_disturbed_are_the_runs_with_the_fastest_probes() -> None:
    timed = block([10.0 + i for i in range(60)], [float(i) for i in range(60)], range(60, 0, -1))
    by_cpu = timed.least_disturbed(has_cpu_clock=True)
    assert sorted(by_cpu) == [54.0, 55.0, 56.0, 57.0, 58.0, 59.0]
    assert min(timed.least_disturbed(has_cpu_clock=False)) == 64.0


def test_interrupted_runs_do_not_count(make_runs: MakeRuns, clock: Any) -> None:
    """Every third run of 1 ms loses its core for 5 ms."""
    calls = []

    def session(inputs: Any) -> None:
        calls.append(inputs)
        clock.advance(6.0 if len(calls) % 3 == 0 else 1.0, cpu_ms=1.0)

    runs = make_runs(session)
    for _ in range(6):
        runs.visit()
    counted = len(runs.blocks[0].wall)
    interrupted = sum(wall == 6.0 for wall in runs.blocks[0].wall)
    assert 0 < interrupted < counted
    assert runs.counted_ms([0]) == [[1.0] * (counted - interrupted)]
    assert runs.disturbed_share() == pytest.approx(interrupted / counted)


def test_runs_count_by_the_processor_clock_when_all_were_interrupted(make_runs: MakeRuns) -> None:
    """With the clocks of this system; a sleep of 5 ms is an interruption on any host."""

    def interrupted(inputs: Any) -> Any:
        time.sleep(0.005)
        return work(inputs)

    runs = make_runs(interrupted)
    for _ in range(LEAST_CALM):
        runs.visit()
    assert runs.disturbed_share() == 1 and not runs.is_calm(0)
    [counted] = runs.counted_ms([0])
    assert len(counted) == LEAST_CALM
    assert 0 < np.median(counted) < np.median(runs.blocks[0].wall) - 4


@pytest.mark.parametrize(("probe", "calm"), [((1.0,), True), ((1.0, 2.0), False)], ids=str)
def test_run_counts_when_both_probes_around_it_are_fast(
    make_runs: MakeRuns, probe: tuple[float, ...], calm: bool
) -> None:
    runs = make_runs(sleep, *probe)
    runs.warm_up(0.01)
    runs.begin_block()
    runs.visit()
    assert runs.is_calm(1) == calm
    assert runs.disturbed_share() == (0.0 if calm else 1.0)


def test_all_runs_count_when_the_runtime_works_in_other_threads(make_runs: MakeRuns) -> None:
    """The processor clock of this thread stands still, but nothing interrupts the run."""
    runs = make_runs(sleep)
    runs.warm_up(0.02)
    runs.visit()
    assert not runs.has_cpu_clock
    assert runs.disturbed_share() == 0


def test_session_with_its_own_clock_is_timed_by_it(make_runs: MakeRuns) -> None:
    """For example by a GPU's events; a neighbour on the processor core does not matter then."""

    class DeviceSession:
        def __call__(self, inputs: Any) -> Any:
            return inputs

        def timed(self, inputs: Any) -> float:
            time.sleep(0.001)
            return 0.25

    runs = make_runs(DeviceSession(), 1.0, 9.0)
    assert runs.warm_up(0.01) >= 5
    runs.visit()
    assert set(runs.counted_ms([0])[0]) == {0.25}
    assert runs.disturbed_share() == 0 and runs.is_calm(0) and not runs.has_cpu_clock


def test_each_visit_of_a_slow_network_has_one_run(make_runs: MakeRuns) -> None:
    runs = make_runs(lambda inputs: time.sleep(0.02))
    runs.has_cpu_clock = False
    for _ in range(3):
        runs.visit()
    assert runs.visits == 3
    assert len(runs.blocks[0].wall) == 3
    assert runs.is_calm(0)  # all its runs are undisturbed, though fewer than LEAST_CALM


def test_reload_loads_the_artifact_anew(fixed_probe: Callable[..., ContentionProbe]) -> None:
    loads: list[int] = []

    def load() -> Callable[[Any], Any]:
        loads.append(1)
        return work

    runs = TimedRuns(load, [INPUTS], fixed_probe(1.0))
    runs.reload()
    assert len(loads) == 2


def test_warm_up_ends_early_when_runs_are_stable(make_runs: MakeRuns, clock: Any) -> None:
    """An eighth of its 200 ms is the least."""
    assert make_runs(lambda inputs: clock.advance(1.0)).warm_up(0.2) == 26


def test_warm_up_takes_all_its_time_when_runs_are_not_stable(
    make_runs: MakeRuns, clock: Any
) -> None:
    calls: list[Any] = []

    def session(inputs: Any) -> None:
        calls.append(inputs)
        clock.advance(1.05 ** len(calls))

    assert make_runs(session).warm_up(0.2) == len(calls)
    assert clock.perf_counter() >= 0.2
