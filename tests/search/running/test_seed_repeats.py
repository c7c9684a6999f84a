"""Trainings with other seeds: which trials, in which order, and after a kill."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.database.engine import open_engine
from paretune.search.database.repeats import Repeats
from paretune.search.front.final_front import with_final_front
from paretune.search.running.runner import Runner
from paretune.search.running.seed_learning import due
from paretune.search.running.seed_repeats import SeedRepeats, near_trials
from paretune.search.running.stopping import MOST_KEPT, Progress, ending
from paretune.search.sampling.proposer import Proposer
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.study.seed_results import SeedResult
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Event, Notice, RepeatEnded, TrialEnded
from support.command_line import invoke
from support.studies import problems, record_of
from support.study_texts import TINY

AXES = (Axis("accuracy", "fraction", "higher"),)


def accuracy(value: float) -> Measurement:
    return Measurement("accuracy", value, "fraction", "higher", value, value)


def trial(number: int, plan: list[dict[str, Any]] | None = None) -> TrialRecord:
    measured = {"accuracy": accuracy(0.9)}
    values = {"accuracy": 0.9}
    return TrialRecord(number, "complete", {}, plan or [], values, measurements=measured)


NEAR = ((6, 0.87), (7, 0.40))
"""Trials behind the front, which has an accuracy of 0.9."""


class StandIn:
    """A study whose trainings take no time."""

    def __init__(self, folder: Path, repeats: int = 3) -> None:
        self.engine = open_engine(f"sqlite:///{folder / 'study.db'}", create=True)
        self.repeats = Repeats(self.engine)
        self.spec = SimpleNamespace(repeats=repeats)
        self.store = SimpleNamespace(add_info=lambda **facts: None)
        self.control = SimpleNamespace(between_stages=lambda: None)
        self.host = "host"
        self.trained: list[tuple[int, int]] = []
        self.states: dict[int, str] = {}
        self.stages = lambda plan: ["finetune"]
        self.setting = "one"

    def repeat_setting(self) -> str:
        return self.setting

    def is_repeatable(self, plan: Any) -> bool:
        return not plan.stages

    def repeat(self, trial: TrialRecord, repeat: int, report: Any) -> SeedResult:
        self.trained.append((repeat, trial.number))
        state: Any = self.states.get(trial.number, "complete")
        return SeedResult(repeat, state, {"accuracy": accuracy(0.8)}, reason={"text": "no"})


def record_with(*trials: TrialRecord, near: tuple[TrialRecord, ...] = ()) -> StudyRecord:
    """Returns a study with some trials on its front, and others near it."""
    growth = (FrontPoint(1, 0.0, None, tuple(t.number for t in trials)),)
    every = sorted((*trials, *near), key=lambda t: t.number)
    return StudyRecord("made", {}, AXES, tuple(every), growth=growth)


def run(study: StandIn, *trials: TrialRecord, **options: Any) -> list[Event]:
    events: list[Event] = []
    repeats = SeedRepeats(study, events.append, **options)  # type: ignore[arg-type]
    repeats.run(record_with(*trials))
    return events


def test_all_trials_get_one_more_seed_before_any_gets_two(tmp_path: Path) -> None:
    study = StandIn(tmp_path)
    events = run(study, trial(4), trial(2))
    assert study.trained == [(1, 2), (1, 4), (2, 2), (2, 4)]
    ended = [event for event in events if isinstance(event, RepeatEnded)]
    assert [(event.done, event.total) for event in ended] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert ended[0].first == {"accuracy": 0.9}
    assert run(study, trial(4), trial(2)) == []  # nothing is trained twice


def test_trial_that_trains_nothing_is_noted_and_not_trained(tmp_path: Path) -> None:
    study = StandIn(tmp_path)
    run(study, trial(4, [{"kind": "deploy", "params": {}}]))
    assert study.trained == []
    assert study.repeats.results("one")[4] == (SeedResult(0, "fixed"),)


def test_failed_training_is_tried_again_by_the_next_run_only(tmp_path: Path) -> None:
    study = StandIn(tmp_path, repeats=2)
    study.states[4] = "failed"
    run(study, trial(4))
    assert study.trained == [(1, 4)]
    study.states[4] = "infeasible"
    run(study, trial(4))
    run(study, trial(4))
    assert study.trained == [(1, 4), (1, 4)]


def test_trainings_of_another_setting_do_not_count(tmp_path: Path) -> None:
    study = StandIn(tmp_path, repeats=2)
    run(study, trial(4))
    study.setting = "two"
    run(study, trial(4))
    assert study.trained == [(1, 4), (1, 4)]
    assert study.repeats.results("one") == {}


def test_no_training_begins_after_the_end_of_the_time(tmp_path: Path) -> None:
    study = StandIn(tmp_path)
    left = iter([5.0, 5.0, -1.0])
    events = run(study, trial(4), trial(2), left=lambda: next(left, -1.0))
    assert study.trained == [(1, 2)]
    last = events[-1]
    assert isinstance(last, Notice)
    assert last.text.startswith("the time is spent: 1 of 2 trainings with other seeds is missing")


def test_worker_that_only_measures_says_what_is_missing(tmp_path: Path) -> None:
    study = StandIn(tmp_path)
    [notice] = run(study, trial(4), trains=False)
    assert isinstance(notice, Notice) and "paretune run STUDY" in notice.text
    assert study.trained == []


def test_unlucky_trials_near_the_front_are_trained_again_after_its_first_new_seed(
    tmp_path: Path,
) -> None:
    study = StandIn(tmp_path)  # new seeds are 10 points worse, so the noise is 7 points
    near, far = (replace(trial(n), measurements={"accuracy": accuracy(v)}) for n, v in NEAR)
    record = record_with(trial(2), trial(4), near=(near, far))
    SeedRepeats(study, lambda event: None).run(record)  # type: ignore[arg-type]
    assert study.trained == [(1, 2), (1, 4), (1, 6), (2, 2), (2, 4), (2, 6)]
    assert near_trials(record, {}) == []  # the accuracies are exact without that noise


@pytest.mark.parametrize(("done", "count"), [(7, 0), (8, 2), (15, 2), (16, 4), (64, 8)])
def test_few_trials_are_trained_again_during_the_search(done: int, count: int) -> None:
    assert due(done) == count


def test_time_is_kept_for_the_trainings_at_the_end() -> None:
    spec: Any = SimpleNamespace(
        trials=None, max_failures=5, seconds=100.0, stop_at_goals=False, goals=(), repeats=3
    )
    front = {number: {"accuracy": 0.9} for number in range(3)}
    progress = Progress(time.monotonic() - 62, durations=[10.0], front=front)
    end = ending(spec, progress, {})
    assert end is not None and end.reason == "the time of 100 s is spent"
    spec.repeats = 1
    assert ending(spec, progress, {}) is None
    spec.repeats = 30  # of a long list of trainings, some are left for a second run
    progress.begun = time.monotonic() - 100 * (1 - MOST_KEPT) + 10
    assert ending(spec, progress, {}) is None


@pytest.mark.parametrize("value", ["0", "three", "2.5", "31", "-1"])
def test_number_of_repeats_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("search: {", f"search: {{repeats: {value}, "))
    [problem] = problems(file)
    assert "tiny.yaml:14: search.repeats" in problem


NOISY = """\
import random

def evaluate(plan, report):
    random.seed(report.seed)
    return {"error": 0.2 / plan["width"] + 0.01 * random.random(), "size": plan["width"]}
"""


def test_sampler_learns_the_noise_in_the_middle_of_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy_trainer.py").write_text(NOISY)
    file = tmp_path / "noisy.yaml"
    file.write_text(
        "evaluate: noisy_trainer:evaluate\n"
        "space: {width: {int: [1, 90]}}\n"
        "objectives: {error: {minimize: fraction}, size: minimize}\n"
        "search: {sampler: random, trials: 10, repeats: 2}\n"
    )
    learned: list[tuple[Any, Any]] = []
    monkeypatch.setattr(Proposer, "learn_seeds", lambda self, *what: learned.append(what))
    events: list[Event] = []
    Runner(load_study(file), events.append).run()

    kinds = [type(e) for e in events if isinstance(e, RepeatEnded | TrialEnded)]
    assert kinds[:10] == [TrialEnded] * 8 + [RepeatEnded] * 2
    noise, means = learned[-1]
    assert noise.freedom == len(means) == 2
    assert 0 < noise.variances[0] < 0.01**2 and noise.variances[1] == 0
    trials = {trial.params["width"]: trial for trial in record_of(file).trials}
    for params, values, trainings in means:
        trial = trials[params["width"]]
        every = [trial.values["error"], trial.seeds[0].validation["error"].value]
        assert trainings == 2 and values[0] == pytest.approx(sum(every) / 2)


def test_check_says_how_many_seeds_and_that_two_are_few(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("search: {", "search: {repeats: 2, "))
    info = check_info(load_study(file))
    assert info.budget == "6 trials, 2 seeds for the front"
    assert any("take 3 or more" in note for note in info.notes)
    file.write_text(TINY)
    assert check_info(load_study(file)).budget == "6 trials"


REPEATED = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.25}}, pretrain: {epochs: 1, batch_size: 64}}
space:
  architecture: {simple_cnn: {width: {choice: [0.125, 0.25]}}}
  finetune: {epochs: 2, batch_size: 64}
objectives: {accuracy: maximize, size: minimize}
search: {trials: 2, seed: 1, repeats: 3, format_variants: false}
"""

LOST = """\
import sys, time
from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone

def report(event):
    if isinstance(event, EpochDone) and event.stage == "finetune (seed 3)":
        print("in the middle", flush=True)
        time.sleep(600)

Runner(load_study(sys.argv[1]), report).run()
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        file = tmp_path / name / "seeds.yaml"
        file.parent.mkdir()
        file.write_text(REPEATED)
        return file

    return write


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy host
def test_run_killed_in_its_repeats_goes_on_with_equal_values(
    study_file: Callable[[str], Path],
) -> None:
    undisturbed, file = study_file("whole"), study_file("killed")
    Runner(load_study(undisturbed), lambda event: None).run()
    command = [sys.executable, "-c", LOST, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lost:
        assert lost.stdout is not None
        line = lost.stdout.readline()
        lost.kill()
    assert line == "in the middle\n"
    before = record_of(file)
    assert any(trial.seeds for trial in before.trials)

    events: list[Event] = []
    Runner(load_study(file), events.append).run()

    whole, killed = record_of(undisturbed), record_of(file)
    values = [
        {t.number: [(s.repeat, s.state, s.validation) for s in t.seeds] for t in record.trials}
        for record in (whole, killed)
    ]
    assert values[0] == values[1]
    repeated = [t for t in killed.trials if t.seeds]
    assert {t.number for t in repeated} >= killed.members - {0}
    assert all([s.repeat for s in t.seeds] == [1, 2] for t in repeated)
    first = [repeated[0].values["accuracy"]]
    first += [s.validation["accuracy"].value for s in repeated[0].seeds]
    assert len(set(first)) > 1  # other seeds train other networks
    ended = [event for event in events if isinstance(event, RepeatEnded)]
    done = sum(len(t.seeds) for t in before.trials)
    assert len(ended) == 2 * len(repeated) - done  # what was done is not trained again

    final = with_final_front(killed)
    assert final.final_members is not None
    shown = invoke("front", file).out
    assert "3, sd" in shown and "means over up to 3 trainings" in shown
    status = invoke("status", file).out
    assert f"trainings with other seeds: {2 * len(repeated)} of {2 * len(repeated)} done" in status
