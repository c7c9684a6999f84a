"""Studies of the user's own trainer: whole runs through the command line, and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from paretune.objectives.base import Measurement
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.running.opening import open_study
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from support.studies import record_of
from support.study_texts import TRAINER

CODE = """\
import math, os, time
from pathlib import Path

from paretune.objectives.base import Measurement
from paretune.spaces.base import InfeasibleCandidate

CALLS = Path(__file__).with_suffix(".calls")

def cheap(plan):
    return {"latency": 0.1 * plan["width"], "memory": 1000.0 * plan["width"]}

def evaluate(plan, report):
    with CALLS.open("a") as calls:
        calls.write(f"{plan['width']}\\n")
    assert set(plan["optimizer"]) in ({"sgd"}, {"adam"}) and plan["steps"] == 3
    error = min(1.0, 0.9 / plan["width"] ** 0.5 + 0.05 * abs(math.log10(plan["lr"]) + 2))
    for step in range(plan["steps"]):
        report(step + 1, error=error * (3 - step))
    time.sleep(float(os.environ.get("SLOW", 0)))
    plan.clear()
    return {"error": Measurement("error", error, "fraction", "lower", 0.9 * error, 1.1 * error, 99)}
"""


@pytest.fixture
def mine(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A study file and its trainer, in a module that no other test has."""
    module = f"mine_{abs(hash(request.node.nodeid))}"
    (tmp_path / f"{module}.py").write_text(CODE)
    file = tmp_path / "mine.yaml"
    file.write_text(TRAINER.replace("MODULE", module))
    return file


@pytest.fixture(scope="session")  # its trainer is a module, which Python imports once
def _ran(tmp_path_factory: pytest.TempPathFactory, cli: Any) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("ran")
    (folder / "mine_shared.py").write_text(CODE)
    (folder / "mine.yaml").write_text(TRAINER.replace("MODULE", "mine_shared"))
    return folder, cli("run", folder / "mine.yaml")


@pytest.fixture
def ran(_ran: tuple[Path, Any], tmp_path: Path) -> Path:
    """The study after its run; a copy that a test may change."""
    shutil.copytree(_ran[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "mine.yaml"


@pytest.fixture
def first_run(_ran: tuple[Path, Any]) -> Any:
    """The output of that run."""
    return _ran[1]


def code_of(file: Path) -> Path:
    return next(file.parent.glob("mine_*.py"))


def outcomes(record: StudyRecord) -> list[tuple[Any, ...]]:
    return [(t.number, t.state, dict(t.params), dict(t.values)) for t in record.trials]


# -- whole runs ----------------------------------------------------------------------------------


def test_run_needs_neither_data_nor_baseline(ran: Path, first_run: Any) -> None:
    expected, record = first_run, record_of(ran)
    assert expected.code == 0, expected.err
    assert [t.number for t in record.trials] == list(range(1, 13))
    assert record.baseline is None
    assert {t.state for t in record.trials} <= {"complete", "infeasible"}
    assert record.front and all(t.feasible for t in record.front)
    for text in ("the front", "goal latency <= 3 ms: reached", "paretune show ", "report: "):
        assert text in expected.out
    for text in ("faster", "on test", "paretune export", "baseline"):
        assert text not in expected.out


def test_values_units_and_intervals_come_from_the_trainer(ran: Path) -> None:
    trial = next(t for t in record_of(ran).trials if t.state == "complete")
    width = trial.plan[0]["params"]["width"]
    assert trial.values["latency"] == pytest.approx(0.1 * width)
    assert trial.measurements["memory"].value == 1000.0 * width
    error = trial.measurements["error"]
    assert (error.unit, error.count) == ("fraction", 99)
    assert error.low == pytest.approx(0.9 * error.value)


def test_broken_cheap_constraint_ends_a_trial_before_training(ran: Path, cli: Any) -> None:
    record = record_of(ran)
    calls = (ran.parent / "mine_shared.calls").read_text().split()
    pruned = [t for t in record.trials if t.reason]
    assert pruned and len(calls) == len(record.trials) - len(pruned)
    assert max(map(int, calls)) <= 50
    trial = pruned[0]
    width = trial.params["width"]
    assert (trial.state, trial.reason["stage"]) == ("infeasible", "cheap")  # type: ignore[index]
    assert trial.violations == {"memory <= 50 KB": pytest.approx((width - 50) / 50)}
    assert trial.measurements["latency"].value == pytest.approx(0.1 * width)
    assert "before any training" in cli("show", ran, trial.number).out


def test_reported_steps_are_kept_as_a_curve(ran: Path, cli: Any) -> None:
    trial = next(t for t in record_of(ran).trials if t.state == "complete")
    shown = json.loads(cli("show", ran, trial.number, "--json").out)["steps"]
    error = trial.values["error"]
    assert [step["step"] for step in shown] == [1, 2, 3]
    assert [s["values"]["error"] for s in shown] == pytest.approx([3 * error, 2 * error, error])
    assert "reported" in cli("show", ran, trial.number).out


def test_baseline_is_trial_0_and_constraints_may_refer_to_it(mine: Path, cli: Any) -> None:
    text = mine.read_text() + "baseline: {width: 32, lr: 0.01, optimizer: {adam: {}}}\n"
    mine.write_text(text.replace('"latency <= 3 ms"', '"latency <= 0.5 x baseline"'))
    output = cli("run", mine)
    assert output.code == 0, output.err
    record = record_of(mine)
    assert record.baseline is not None
    assert record.baseline.values["latency"] == pytest.approx(3.2)
    assert record.baseline.plan[0]["params"]["steps"] == 3, "the space's literal is filled in"
    assert all(point.hypervolume is not None for point in record.growth)
    assert "faster" in output.out
    assert "goal latency <= 0.5 x baseline" in output.out


def test_hypervolume_is_computed_afterwards_when_nothing_gives_a_scale(
    mine: Path, cli: Any
) -> None:
    mine.write_text(mine.read_text().replace(", worst: 8", ""))
    assert cli("run", mine).code == 0
    with existing_store(f"sqlite:///{mine.with_suffix('') / 'study.db'}"):
        database = sqlite3.connect(mine.with_suffix("") / "study.db")
        stored = database.execute("select hypervolume from paretune_front").fetchall()
        database.close()
    assert {value for (value,) in stored} == {None}
    volumes = [point.hypervolume for point in record_of(mine).growth]
    assert volumes == sorted(volumes)  # type: ignore[type-var]
    assert 0 < volumes[-1] <= 1  # type: ignore[operator]


@pytest.mark.parametrize("command", ["status", "front", "report"])
def test_views_work_for_a_custom_trainer(ran: Path, cli: Any, command: str) -> None:
    output = cli(command, ran)
    assert output.code == 0, output.err
    if command == "report":
        page = (ran.with_suffix("") / "report.html").read_text()
        assert "latency against error" in page or "error against latency" in page
        assert "width" in page
    elif command == "front":
        assert "latency" in output.out and "error" in output.out
        assert json.loads(cli(command, ran, "--json").out)["rows"]
    else:
        assert "12 of 12 trials done" in output.out


@pytest.mark.slow
def test_killed_run_goes_on_and_loses_no_trial(
    mine: Path, start: Callable[..., Any], cli: Any
) -> None:
    running = start("run", mine, SLOW="0.3")
    running.wait_for("trial   3 [")
    assert running.ended(signal.SIGKILL) == -signal.SIGKILL
    done = [o for o in outcomes(record_of(mine)) if o[1] != "running"]
    assert cli("run", mine).code == 0
    after = outcomes(record_of(mine))
    assert [o for o in after if o[0] <= len(done)] == done
    other = mine.parent / "whole.yaml"
    other.write_text(mine.read_text())
    assert cli("run", other).code == 0
    assert outcomes(record_of(other)) == after, "as if it had never been killed"
    url = f"sqlite:///{mine.with_suffix('') / 'study.db'}"
    mirrored = optuna.load_study(study_name="mine", storage=url).trials
    states = {"complete": "COMPLETE", "infeasible": "PRUNED"}
    assert [(t.number, t.state.name) for t in mirrored] == [(o[0], states[o[1]]) for o in after]


@pytest.mark.slow
def test_two_workers_share_a_study(mine: Path, start: Callable[..., Any]) -> None:
    running = start("run", mine, "--workers", 2, SLOW="0.05")
    assert running.ended() == 0, running.log.read_text()
    record = record_of(mine)
    assert [t.number for t in record.trials] == list(range(1, len(record.trials) + 1))
    url = f"sqlite:///{mine.with_suffix('') / 'study.db'}"
    mirrored = optuna.load_study(study_name="mine", storage=url).trials
    assert [t.number for t in mirrored] == [t.number for t in record.trials]


def test_repeated_plan_takes_its_result_from_the_database(mine: Path, cli: Any) -> None:
    space = "space={width: {choice: [2, 4]}, lr: 0.01, optimizer: {adam: {}}, steps: 3}"
    output = cli("run", mine, "--set", space)
    assert output.code == 0, output.err
    assert "all 2 plans are done" in output.out
    assert "the same plan" not in output.out
    assert "--trials" not in output.out
    assert len(code_of(mine).with_suffix(".calls").read_text().split()) == 2


# -- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("{}", "returned no error"),
        ("None", "returned a NoneType; it must return a mapping"),
        ("{'error': float('nan')}", "returned nan for error; it must be finite"),
        ("{'error': 'x'}", "returned 'x' for error; it must be a number"),
        (
            "{'error': 0.1, 'eror': 1}",
            "returned 'eror', which is neither an objective nor a quantity",
        ),
        ("{'error': 0.1, 'latency': 7}", "returned latency 7, but the cheap function"),
        ("{'error': Measurement('e', 1, 'ms', 'lower', 1, 1)}", r"a measurement of e \[ms\] for"),
        ("1 / 0", "division by zero"),
        ("report('x')", "takes an integer and numbers"),
        ("report(1, error='x')", "takes an integer and numbers"),
    ],
)
def test_wrong_result_fails_the_trial_with_its_reason(
    ran: Path, monkeypatch: pytest.MonkeyPatch, answer: str, text: str
) -> None:
    spec = load_study(ran)
    study = open_study(spec)
    code = f"lambda plan, report: {answer}"
    monkeypatch.setattr(study, "_evaluate", eval(code, {"Measurement": Measurement}))
    plan = study.plan({"width": 4, "lr": 0.1, "optimizer": {"adam": {}}, "steps": 3})
    result = study.evaluate(13, plan, None, lambda event: None)
    study.close()
    assert result.state == "failed"
    assert result.reason is not None
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(result.reason["text"])
    assert "Traceback" in result.reason["traceback"]
    assert [m.name for m in result.measured] == ["latency", "memory"], "cheap measurements are kept"


def test_failed_trial_keeps_its_traceback_and_the_study_goes_on(mine: Path, cli: Any) -> None:
    code = CODE.replace("    plan.clear()\n", "    1 / (plan['width'] % 3)\n")
    code_of(mine).write_text(code)
    assert cli("run", mine).code == 0
    failed = [t for t in record_of(mine).trials if t.state == "failed"]
    assert failed and len(failed) < 12
    assert failed[0].reason["type"] == "ZeroDivisionError"  # type: ignore[index]
    assert "1 / (plan['width'] % 3)" in cli("show", mine, failed[0].number).out


def test_infeasible_candidate_ends_infeasible_with_its_reason(mine: Path, cli: Any) -> None:
    code_of(mine).write_text(
        CODE.replace("    plan.clear()\n", "    raise InfeasibleCandidate('no such net')\n")
    )
    cli("run", mine, "--trials", 1, "--set", "space.width=4")
    trial = record_of(mine).trials[0]
    assert (trial.state, trial.reason["text"]) == ("infeasible", "no such net")  # type: ignore[index]


def test_failing_baseline_ends_the_run(mine: Path, cli: Any) -> None:
    code_of(mine).write_text(CODE.replace("    plan.clear()\n", "    1 / 0\n"))
    mine.write_text(mine.read_text() + "baseline: {width: 2, lr: 0.1, optimizer: {adam: {}}}\n")
    output = cli("run", mine)
    assert output.code == 2
    assert "the baseline fails in evaluate: division by zero" in output.err


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("evaluate=MODULE:nothing", "evaluate: MODULE:nothing: .*has no attribute"),
        ("evaluate=MODULE:CALLS", "is a PosixPath; give a function"),
        ("evaluate=MODULE:cheap", r"must take the arguments \(plan, report\): too many"),
        ("cheap=MODULE:evaluate", r"must take the arguments \(plan\): missing a required argument"),
    ],
)
def test_missing_function_is_refused(mine: Path, change: str, text: str) -> None:
    module = code_of(mine).stem
    spec = load_study(mine, [change.replace("MODULE", module)])
    with pytest.raises(UserError, match=text.replace("MODULE", module)):
        open_study(spec)


def test_export_is_refused_with_a_custom_trainer(ran: Path, cli: Any, tmp_path: Path) -> None:
    output = cli("export", ran, "--pick", "knee", "-o", tmp_path / "out")
    assert output.code == 2
    assert "made by your own trainer" in output.err


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("objectives.latency.minimize=s", "units.latency: was ms, now s"),
        ("quantities={memory: KB}", "quantities.memory"),
    ],
)
def test_changed_study_is_refused_naming_the_key(
    ran: Path, cli: Any, change: str, key: str
) -> None:
    constraints = 'constraints=["error <= 60%"]' if "quantities" in change else "goals=[]"
    output = cli("run", ran, "--set", change, "--set", constraints)
    assert output.code == 2
    assert f"  {key}" in output.err
