"""Whole runs of studies that race: real databases, workers, kills."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.rungs import Rungs
from paretune.search.racing.promotion import RungEntry, best_trials
from support.studies import record_of

STUDY = """\
study: racing
evaluate: "MODULE:evaluate"
cheap: "MODULE:cheap"
space: {width: {int: [1, 99]}, rate: {float: [0, 1]}}
objectives: {error: {minimize: fraction}, size: {minimize: bytes, worst: 99}}
search: {sampler: random, trials: 18, seed: 5, racing: {steps: 9}}
"""

CODE = """\
import os, time
from pathlib import Path

CALLS = Path(__file__).with_suffix(".calls")

def cheap(plan):
    return {"size": float(plan["width"])}

def evaluate(plan, report):
    kept = report.folder / "epochs"
    done = int(kept.read_text()) if kept.exists() else 0
    assert done == report.done
    for epoch in range(done, 9):
        with CALLS.open("a") as calls:
            calls.write(f"{plan['width']}-{plan['rate']} {epoch + 1}\\n")
        time.sleep(float(os.environ.get("SLOW", 0)))
        kept.write_text(str(epoch + 1))
        error = plan["rate"] / plan["width"] ** 0.5 + 0.3 / (epoch + 1)
        report(epoch + 1, error=error)
    return {"error": error}
"""


@pytest.fixture
def racing(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A study file and its trainer, in a module that no other test has."""
    module = f"racing_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{module}.py").write_text(CODE)
    file = tmp_path / "racing.yaml"
    file.write_text(STUDY.replace("MODULE", module))
    return file


def epochs_of(file: Path) -> list[str]:
    [calls] = file.parent.glob("*.calls")
    return calls.read_text().splitlines()


def rungs_of(file: Path) -> Rungs:
    return Rungs(open_engine(f"sqlite:///{file.with_suffix('') / 'study.db'}"))


def check_race(file: Path) -> None:
    """Checks what holds at the end of any run of the study above."""
    record = record_of(file)
    trials = [t for t in record.trials if t.repeat_of is None]
    assert {t.state for t in trials} == {"complete", "stopped"}
    assert all(t.held_by_racing == (t.state == "stopped") for t in trials)
    epochs = epochs_of(file)
    assert len(epochs) == len(set(epochs)), "no epoch is trained twice"
    rungs = rungs_of(file)
    assert len(rungs.at(1)) == len(trials)
    for step, reached in rungs.all().items():
        entries = [
            RungEntry(r.trial, {**r.values, "error": r.values["error"]}, r.promoted)  # type: ignore[dict-item]
            for r in reached
        ]
        paused = {e.trial for e in entries if not e.promoted}
        assert not paused & set(best_trials(entries, 3)), (
            f"one of the best is paused at step {step}"
        )
        trained = [t.number for t in trials if t.state == "complete"]
        assert set(trained) <= {e.trial for e in entries if e.promoted}


def test_run_trains_the_best_to_the_end_and_stops_the_others(racing: Path, cli: Any) -> None:
    output = cli("run", racing)
    assert output.code == 0, output.err
    check_race(racing)
    record = record_of(racing)
    states = [t.state for t in record.trials]
    assert len(states) == 18
    assert 1 <= states.count("complete") <= 9
    assert len(epochs_of(racing)) < 18 * 9 / 2
    assert "among the best now; resumed" in output.out
    assert f"racing: {states.count('stopped')} trials were stopped early" in output.out
    assert f"Racing stopped or paused {states.count('stopped')} of 18 trials." in output.out


def test_stopped_trial_keeps_its_last_values_in_all_views(racing: Path, cli: Any) -> None:
    assert cli("run", racing).code == 0
    record = record_of(racing)
    stopped = next(t for t in record.trials if t.state == "stopped")
    width, rate = stopped.params["width"], stopped.params["rate"]
    step = int(stopped.reason["text"].split()[2])  # type: ignore[index]
    assert stopped.values == pytest.approx({"error": rate / width**0.5 + 0.3 / step, "size": width})
    assert set(stopped.values) == {"error", "size"}
    assert stopped.number not in record.members
    shown = cli("show", racing, stopped.number).out
    assert f"after step {step} of 9 not among the best" in shown
    assert "values when racing ended or paused it: error" in shown
    status = json.loads(cli("status", racing, "--json").out)
    assert status["stopped"] == sum(t.state == "stopped" for t in record.trials)
    assert "stopped early, 0 paused" in cli("status", racing).out
    front = json.loads(cli("front", racing, "--json").out)
    assert (front["stopped"], front["trials"]) == (status["stopped"], 18)
    assert cli("report", racing).code == 0
    assert '"state":"stopped"' in (racing.with_suffix("") / "report.html").read_text()
    url = f"sqlite:///{racing.with_suffix('') / 'study.db'}"
    mirrored = optuna.load_study(study_name="racing", storage=url).trials
    names = {"complete": "COMPLETE", "stopped": "PRUNED"}
    assert [t.state.name for t in mirrored] == [names[t.state] for t in record.trials]


@pytest.mark.slow
def test_killed_run_continues_with_its_paused_trials(
    racing: Path, start: Callable[..., Any], cli: Any
) -> None:
    running = start("run", racing, SLOW="0.1")
    running.wait_for("trial   7  paused")
    assert running.ended(signal.SIGKILL) == -signal.SIGKILL
    before = {t.number: t.state for t in record_of(racing).trials}
    waiting = [number for number, state in before.items() if state == "paused"]
    assert waiting
    assert f"{len(waiting)} paused" in cli("status", racing).out
    assert cli("run", racing).code == 0
    rungs = rungs_of(racing)
    assert any(r.promoted for r in rungs.at(1) if r.trial in waiting), "some are resumed"
    assert len([t for t in record_of(racing).trials if t.repeat_of is None]) == 18
    assert {t.state for t in record_of(racing).trials} == {"complete", "stopped"}
    url = f"sqlite:///{racing.with_suffix('') / 'study.db'}"
    states = {t.state.name for t in optuna.load_study(study_name="racing", storage=url).trials}
    assert states == {"COMPLETE", "PRUNED"}


def test_run_that_ends_early_leaves_trials_paused(racing: Path, cli: Any) -> None:
    goal = ["--set", 'goals=["error <= 90%"]', "--set", "budget={stop_at_goals: true}"]
    assert cli("run", racing, *goal).code == 0
    states = [t.state for t in record_of(racing).trials]
    assert (states.count("complete"), states.count("stopped")) == (1, 0)
    assert "paused" in states
    assert cli("run", racing).code == 0
    check_race(racing)


@pytest.mark.slow
def test_two_workers_share_a_race(racing: Path, start: Callable[..., Any]) -> None:
    running = start("run", racing, "--workers", 2, SLOW="0.05")
    assert running.ended() == 0, running.log.read_text()
    check_race(racing)


def test_samplers_learn_from_paused_trials(racing: Path, cli: Any) -> None:
    for sampler in ("thompson", "tpe", "nsga2"):
        file = racing.with_name(f"{sampler}.yaml")
        file.write_text(racing.read_text().replace("random", sampler))
        output = cli("run", file)
        assert output.code == 0, output.err


def test_trainer_without_reported_objective_fails_with_advice(racing: Path, cli: Any) -> None:
    [code] = racing.parent.glob("racing_*.py")
    code.write_text(CODE.replace("error=error)", "loss=error)"))
    output = cli("run", racing)
    assert output.code == 1
    assert "racing compares trials by error, size, and report(1, ...) named none" in output.out


def test_changed_race_goes_on_with_the_paused_trials(racing: Path, cli: Any) -> None:
    assert cli("run", racing, "--trials", 9).code == 0
    states = {trial.number: trial.state for trial in record_of(racing).trials}
    output = cli("run", racing, "--set", "search.racing.eta=2", "--trials", 18)
    assert output.code == 0, output.err
    assert 'version 2: racing {"steps": 9, "first": 1, "eta": 3} -> ' in output.out
    after = {trial.number: trial.state for trial in record_of(racing).trials}
    assert set(after.values()) <= {"complete", "stopped"}
    assert {n for n, s in states.items() if s == "complete"} <= {
        n for n, s in after.items() if s == "complete"
    }
