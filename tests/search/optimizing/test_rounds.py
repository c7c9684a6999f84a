"""The loop of rounds, with made-up trials and a made-up clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.optimizing.baseline_round import refuse_impossible_goals
from paretune.search.optimizing.clock import Clock
from paretune.search.optimizing.request import OptimizeRequest
from paretune.search.optimizing.round_log import RoundLog
from paretune.search.optimizing.round_store import RoundStore
from paretune.search.optimizing.rounds import (
    GOALS_MET,
    NOTHING_NEW,
    TIME_OVER,
    Rounds,
)
from paretune.search.optimizing.session_runner import SessionRunner
from paretune.search.optimizing.time_plan import TrialTime, reserved
from paretune.search.optimizing.working_study import WorkingStudy, working_study
from paretune.search.running.stopping import Ending
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import StudySpec
from support.optimizing import complete, record_of_trials

STUDY = """\
study: small
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {epochs: 2}
space:
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.5]}, round_to: 1}}}
  finetune: {epochs: 12, batch_size: 64}
  quantization: {choice: [none, dynamic, static]}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}}
goals: ["latency <= 0.5 x baseline", "accuracy >= baseline - 1%"]
"""
TRIAL = TrialTime(0.0, 8.0, 2.0)
TOTAL = 300.0

Result = Callable[[int, Mapping[str, Any]], TrialRecord]


class FakeStore(RoundStore):
    """Keeps the rounds in a list, as JSON."""

    def __init__(self, *logs: RoundLog) -> None:
        self.logs = list(logs)
        self.trials: list[TrialRecord] = []

    def write(self, log: RoundLog) -> RoundLog:
        log = RoundLog.from_json(log.to_json())
        self.logs = [*(each for each in self.logs if each.number != log.number), log]
        return log

    def record(self) -> StudyRecord:
        return record_of_trials(*self.trials)


class FakeRunner(SessionRunner):
    """Makes up a trial for each ten seconds of a session; counts the time itself."""

    def __init__(self, study: WorkingStudy, store: FakeStore, result: Result) -> None:
        super().__init__(study, None, ())
        self.now = 0.0
        self.sessions: list[StudySpec] = []
        self.endings: list[Ending] = []
        self._store, self._result = store, result

    def run(self, spec: StudySpec, *reporters: Any) -> Any:
        self.sessions.append(spec)
        begun = self.now
        while self.now - begun < (spec.seconds or 0.0):
            number = len(self._store.trials) + 1
            self._store.trials.append(self._result(number, spec.source))
            self.now += 10.0
        ending = self.endings.pop(0) if self.endings else Ending("time", over=False)
        return SimpleNamespace(ending=ending)


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path) -> WorkingStudy:
    file = tmp_path / "small.yaml"
    file.write_text(STUDY)
    return working_study(OptimizeRequest(str(file), tmp_path / "out"))


def begun(study: WorkingStudy, shares: tuple[float, ...] = (0.25, 0.5, 1.0)) -> RoundLog:
    """Returns the log of a measured baseline."""
    full = {"finetune.epochs": 12}
    return RoundLog(
        0,
        "done",
        study.source,
        study.digest,
        shares,
        full=full,
        trial=TRIAL,
        following=study.source,
    )


def poor(number: int, source: Mapping[str, Any]) -> TrialRecord:
    """Returns a trial that misses the latency; dynamic is always worse."""
    label = ("none", "dynamic", "static")[number % 3]
    params = {"quantization": label, "pruning": "none"}
    slower = 0.6 if label == "dynamic" else 0.0
    return complete(number, 0.93 - slower / 3, 1.4 + slower, params)


def rounds_of(
    study: WorkingStudy, store: FakeStore, runner: FakeRunner, stop: bool = False
) -> tuple[Rounds, list[str]]:
    sentences: list[str] = []
    clock = Clock(TOTAL, 0.0, lambda: runner.now)
    return Rounds(runner, store, clock, sentences.append, stop), sentences


def test_rounds_fill_the_time_and_keep_what_the_export_needs(study: WorkingStudy) -> None:
    store = FakeStore(begun(study))
    runner = FakeRunner(study, store, poor)
    rounds, sentences = rounds_of(study, store, runner)
    assert rounds.run() == TIME_OVER
    assert TOTAL - reserved(TOTAL, 2.0) - 10 <= runner.now <= TOTAL - reserved(TOTAL, 2.0) + 10
    assert [log.number for log in store.logs] == [0, 1, 2, 3]
    assert sum(log.trials for log in store.logs) == len(store.trials)
    assert sum(log.seconds for log in store.logs) == pytest.approx(runner.now)
    assert len(sentences) == 2 * 3
    assert "Round 1 ran" in sentences[0] and "misses" in sentences[0]
    assert "drops dynamic from quantization" in sentences[1]
    assert sentences[-1].startswith("No round follows: the time is over; trial")
    formats = [s.source["space"]["quantization"]["choice"] for s in runner.sessions]
    assert formats == [["none", "dynamic", "static"], ["none", "static"], ["none", "static"]]


def test_sessions_of_rounds_have_no_limit_of_trials_and_no_final_session(
    study: WorkingStudy,
) -> None:
    store = FakeStore(begun(study))
    runner = FakeRunner(study, store, poor)
    rounds_of(study, store, runner)[0].run()
    for spec in runner.sessions:
        assert (spec.trials, spec.final_seconds, spec.format_variants) == (None, 0.0, False)


def test_epochs_grow_and_promising_trials_come_first(study: WorkingStudy) -> None:
    store = FakeStore(begun(study))
    runner = FakeRunner(study, store, poor)
    rounds_of(study, store, runner)[0].run()
    second, third = (spec.source for spec in runner.sessions[1:])
    assert second["space"]["finetune"]["epochs"] == {"choice": [3, 6, 12]}
    assert third["space"]["finetune"]["epochs"] == {"choice": [3, 6, 12]}
    assert second["first"][0]["finetune.epochs"] == "12"
    assert runner.sessions[1].first  # the study file accepts them


def good(number: int, source: Mapping[str, Any]) -> TrialRecord:
    return complete(number, 0.95, 0.6, {"quantization": "static", "pruning": "none"})


def test_rounds_end_at_the_goal_only_if_asked(study: WorkingStudy) -> None:
    for stop, reason, rounds_run in ((True, GOALS_MET, 1), (False, TIME_OVER, 3)):
        store = FakeStore(begun(study))
        runner = FakeRunner(study, store, good)
        rounds, sentences = rounds_of(study, store, runner, stop)
        assert rounds.run() == reason
        assert len(runner.sessions) == rounds_run
        assert "meets every goal with latency 0.600 ms and accuracy 95.00 %" in sentences[0]
        assert all(spec.stop_at_goals == stop for spec in runner.sessions)


def test_rounds_end_when_every_plan_is_tried(study: WorkingStudy) -> None:
    store = FakeStore(begun(study, (1.0, 1.0, 1.0)))
    runner = FakeRunner(study, store, good)
    runner.endings = [Ending("all 6 plans are done", exhausted=True)]
    rounds, _ = rounds_of(study, store, runner)
    assert rounds.run() == NOTHING_NEW
    rounds.reopen()
    assert store.last.ended == NOTHING_NEW


def test_rounds_end_when_trials_fail_in_a_row(study: WorkingStudy) -> None:
    store = FakeStore(begun(study))
    runner = FakeRunner(study, store, poor)
    runner.endings = [Ending("5 trials in a row failed", ok=False, over=False)]
    rounds, _ = rounds_of(study, store, runner)
    assert rounds.run() == "5 trials in a row failed"
    rounds.reopen()  # the next run of the command tries again
    assert store.last.ended is None


def test_interrupted_round_goes_on_with_its_rest(study: WorkingStudy) -> None:
    store = FakeStore(begun(study))
    runner = FakeRunner(study, store, poor)
    rounds, _ = rounds_of(study, store, runner)

    def interrupted(spec: StudySpec, *reporters: Any) -> Any:
        store.trials.append(poor(1, spec.source))
        runner.now += 10.0
        raise KeyboardInterrupt

    run = runner.run
    runner.run = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        rounds.run()
    assert (store.last.number, store.last.state, store.last.seconds) == (1, "running", 10.0)
    planned = store.last.planned
    runner.run = run  # type: ignore[method-assign]
    rounds.run()
    assert runner.sessions[0].seconds == pytest.approx(planned - 10.0)
    assert store.logs[1].trials > 1  # the trial before the interruption is one of them
    assert [log.number for log in store.logs] == [0, 1, 2, 3]


def test_stop_on_request_interrupts_the_round(study: WorkingStudy) -> None:
    store = FakeStore(begun(study))
    runner = FakeRunner(study, store, poor)
    runner.endings = [Ending("stopped on request", over=False, again=True, stopped=True)]
    with pytest.raises(KeyboardInterrupt):
        rounds_of(study, store, runner)[0].run()
    assert store.last.state == "running"


def test_more_time_reopens_the_rounds(study: WorkingStudy) -> None:
    store = FakeStore(replace(begun(study), ended=TIME_OVER))
    runner = FakeRunner(study, store, poor)
    rounds, _ = rounds_of(study, store, runner)
    rounds.reopen([GOALS_MET])
    assert store.last.ended == TIME_OVER
    rounds.reopen()
    assert store.last.ended is None


def test_log_survives_json(study: WorkingStudy) -> None:
    log = replace(
        begun(study), sentences=("a", "b"), changes=("c",), ended=TIME_OVER, exported="/x"
    )
    assert RoundLog.from_json(log.to_json()) == log


def test_session_stops_at_goals_only_if_it_knows_them_all(study: WorkingStudy) -> None:
    source = {**study.source, "goals": ["latency <= 0.5 x baseline", "macs <= 1 x baseline"]}
    store = FakeStore(replace(begun(study), source=source, following=source))
    runner = FakeRunner(study, store, poor)
    rounds_of(study, store, runner, stop=True)[0].run()
    assert not any(spec.stop_at_goals for spec in runner.sessions)


def test_session_does_not_stop_for_a_trial_that_the_final_measurements_refuted(
    study: WorkingStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeStore(begun(study))
    store.trials = [good(1, {})]
    refuted = record_of_trials(poor(1, {}))
    monkeypatch.setattr(
        "paretune.search.optimizing.rounds.with_final_front", lambda record: refuted
    )
    runner = FakeRunner(study, store, good)
    rounds_of(study, store, runner, stop=True)[0].run()
    assert [spec.stop_at_goals for spec in runner.sessions] == [False]


def test_interrupted_round_ends_at_once_when_the_goals_are_met(study: WorkingStudy) -> None:
    running = replace(begun(study), number=1, state="running", planned=100.0, following=None)
    store = FakeStore(begun(study), running)
    store.trials = [good(1, {})]
    runner = FakeRunner(study, store, good)
    assert rounds_of(study, store, runner, stop=True)[0].run() == GOALS_MET
    assert runner.sessions == []


def test_goal_on_a_quantity_that_was_not_measured_is_refused() -> None:
    goal = read_constraint("macs <= 0.5 x baseline", {"macs": "MACs"})
    with pytest.raises(UserError, match="measured without macs; they have accuracy, latency"):
        refuse_impossible_goals([goal], record_of_trials())
