"""Rounds of visits on a clock that only the tests move, so that counts and levels are exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.base import Subject
from paretune.objectives.calm import calm as host_calm
from paretune.objectives.calm import without_waiting
from paretune.objectives.latency import Latency
from paretune.objectives.timing.round_estimates import (
    BLOCKS,
    CALIBRATION,
    LEAST_BLOCKS,
    LOOKING,
    PATIENCE,
    ROUGH,
)
from paretune.objectives.timing.rounds import TimingRounds

MakeSubject = Callable[..., Subject]


class ClockRuntime:
    """A runtime; a run takes the milliseconds in the file's name, times the slowness."""

    name = "clock"

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.slowness = 1.0
        self.loads = 0

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        self.loads += 1
        return lambda inputs: self._clock.advance(float(path.stem) * self.slowness)


def rounds_of(subject: Subject, **options: Any) -> TimingRounds:
    params = Latency.Params(references=False, **options)
    return TimingRounds([subject], params, lambda place: None)


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch, fixed_probe: Any) -> None:
    monkeypatch.setattr(
        "paretune.objectives.timing.rounds.ContentionProbe", lambda: fixed_probe(1.0)
    )


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, fixed_probe: Any) -> None:
    monkeypatch.setattr(
        "paretune.objectives.timing.rounds.ContentionProbe", lambda: fixed_probe(2.0)
    )


@pytest.fixture
def subject(make_subject: MakeSubject, clock: Any) -> Subject:
    """A network that takes 0.8 ms."""
    subject = make_subject(runtime=ClockRuntime(clock))
    return replace(subject, artifact=replace(subject.artifact, path=Path("0.8.onnx")))


@pytest.mark.usefixtures("calm")
def test_every_undisturbed_run_counts_except_the_first_of_a_visit(subject: Subject) -> None:
    """A block of 2 s / 64 has five visits of 6.4 ms: a run that does not count, and seven."""
    rounds = rounds_of(subject, seconds=2.0)
    rounds.run(lambda seconds: None)
    assert len(rounds.subjects[0].blocks) == LEAST_BLOCKS
    assert rounds.subjects[0].counted_ms(rounds.counted_blocks()) == [[0.8] * 35] * LEAST_BLOCKS
    assert rounds.warm_up_runs == [32]
    assert rounds.is_precise(0) and not rounds.disturbed
    assert math.exp(rounds.estimate(0).value) == pytest.approx(0.8)
    assert rounds.estimate(0).half == pytest.approx(0.0)


@pytest.mark.usefixtures("calm")
def test_drift_between_blocks_cancels_in_the_ratio(subject: Subject) -> None:
    """Each block is 10 % slower than the one before, for candidate and baseline alike."""
    runtime: Any = subject.runtime
    baseline = replace(subject.artifact, path=Path("1.6.onnx"))
    rounds = rounds_of(replace(subject, baseline=baseline), seconds=2.0, spread=60.0)

    def pause(seconds: float) -> None:
        runtime.slowness *= 1.1

    rounds.run(pause)
    assert len(rounds.subjects[0].blocks) == BLOCKS
    assert math.exp(rounds.estimate(0).value) == pytest.approx(0.5)
    assert rounds.estimate(0).half == pytest.approx(0.0, abs=1e-6)
    levels = rounds.session(0)["log_levels"]
    assert levels[1] - levels[0] == pytest.approx(math.log(1.1))


@pytest.fixture(autouse=True)
def overtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of overtime, whatever an earlier test has found."""
    monkeypatch.setattr(host_calm, "overtime_pays", True)


@pytest.mark.usefixtures("shared")
def test_disturbed_host_is_not_measured_longer_again_if_that_was_in_vain(
    subject: Subject, clock: Any
) -> None:
    host_calm.overtime_pays = False
    rounds = rounds_of(subject, seconds=0.5)
    rounds.run(lambda seconds: None)
    assert rounds.disturbed and not host_calm.overtime_pays
    assert 0.5 <= clock.perf_counter() < 1.2 * 0.5


def test_overtime_is_tried_again_after_a_calm_session(subject: Subject, clock: Any) -> None:
    host_calm.overtime_pays = False
    rounds = rounds_of(subject, seconds=0.5)
    rounds.run(lambda seconds: None)
    assert not rounds.disturbed and host_calm.overtime_pays


@pytest.mark.usefixtures("shared")
def test_disturbed_host_is_measured_for_its_time_without_waiting(
    subject: Subject, clock: Any
) -> None:
    rounds = rounds_of(subject, seconds=0.5)
    with without_waiting():
        rounds.run(lambda seconds: None)
    assert rounds.disturbed
    assert 0.5 <= clock.perf_counter() < 1.2 * 0.5


@pytest.mark.usefixtures("shared")
def test_disturbed_host_is_measured_for_up_to_twice_the_time(subject: Subject, clock: Any) -> None:
    rounds = rounds_of(subject, seconds=0.5)
    rounds.run(lambda seconds: None)
    assert rounds.disturbed
    assert PATIENCE * 0.5 <= clock.perf_counter() < (PATIENCE + 0.1) * 0.5
    assert not host_calm.overtime_pays
    assert rounds.counted_blocks() == list(range(len(rounds.subjects[0].blocks)))
    assert all(rounds.subjects[0].counted_ms(rounds.counted_blocks()))


@pytest.mark.usefixtures("shared")
def test_candidate_s_session_ends_early_if_calm_is_rare(subject: Subject, clock: Any) -> None:
    baseline = replace(subject.artifact, path=Path("1.6.onnx"))
    rounds = rounds_of(replace(subject, baseline=baseline), seconds=2.0)
    rounds.run(lambda seconds: None)
    assert rounds.disturbed
    assert LOOKING * 2.0 <= clock.perf_counter() < (LOOKING + 0.1) * 2.0
    assert math.exp(rounds.estimate(0).value) == pytest.approx(0.5)


@pytest.mark.usefixtures("shared")
def test_baseline_s_session_ends_early_if_calm_is_rare_and_references_agree(
    subject: Subject, clock: Any
) -> None:
    reference = replace(subject, artifact=replace(subject.artifact, path=Path("1.6.onnx")))
    rounds = rounds_of(subject, seconds=2.0)
    rounds.references = rounds_of(reference).subjects
    rounds.run(lambda seconds: None)
    assert rounds.disturbed
    assert LOOKING * CALIBRATION * 2.0 <= clock.perf_counter() < (LOOKING + 0.1) * CALIBRATION * 2.0
    assert rounds.log_ratios(rounds.subjects[0]) == pytest.approx([math.log(2)])


@pytest.mark.usefixtures("shared")
def test_candidate_s_session_goes_on_while_its_interval_is_wide(
    subject: Subject, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each load of the networks makes the candidate nine times as slow, or as fast as before."""
    runtime: Any = subject.runtime
    load = runtime.load

    def unsteady(path: Path, options: Any) -> Any:
        run = load(path, options)
        times = 9 if path.stem == "0.8" and runtime.loads % 4 < 2 else 1
        return lambda inputs: [run(inputs) for _ in range(times)]

    monkeypatch.setattr(runtime, "load", unsteady)
    monkeypatch.setattr(TimingRounds, "judge", reload_and_judge)
    baseline = replace(subject.artifact, path=Path("1.6.onnx"))
    rounds = rounds_of(replace(subject, baseline=baseline), seconds=0.5)
    rounds.run(lambda seconds: None)
    assert clock.perf_counter() > PATIENCE * 0.5
    assert rounds.estimate(0).half > math.log1p(ROUGH)


def reload_and_judge(rounds: TimingRounds) -> None:
    """Loads all networks after each block, though none was calm."""
    super(TimingRounds, rounds).judge()
    for runs in rounds.networks():
        runs.reload()
