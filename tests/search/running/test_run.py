"""Whole runs through the command line: done, gone on with, killed, interrupted, refused."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from paretune.objectives.timing.round_estimates import LEAST_BLOCKS
from paretune.search.database.store import existing_store
from paretune.search.front.final_front import trials_to_remeasure
from paretune.search.study.records import StudyRecord
from support.random_kills import trainer_file
from support.studies import record_of


def outcomes(record: StudyRecord) -> list[tuple[Any, ...]]:
    """Returns the results that must not change when a study continues."""
    return [(t.number, t.state, dict(t.params), dict(t.values)) for t in record.trials]


def test_run_completes_the_requested_trials(finished: Path, first_run: Any) -> None:
    record = record_of(finished)
    assert first_run.code == 0
    assert [t.number for t in record.trials] == list(range(7))
    assert {t.state for t in record.trials} == {"complete"}
    assert record.front
    assert set(record.trials[0].measurements) == {
        "accuracy",
        *(f"accuracy.{v}" for v in ("top1", "top5", "balanced", "f1", "loss", "calibration")),
        "latency",
        "size",
        "parameters",
        "macs",
    }


def test_run_prints_front_report_and_next_commands(finished: Path, first_run: Any) -> None:
    for text in ("trial   6 [6/6]", "the front", "on test", "faster", "smaller", "report: "):
        assert text in first_run.out
    assert "paretune export" in first_run.out
    assert "goal size <= 0.2 x baseline: reached by trial" in first_run.out
    assert (finished.with_suffix("") / "report.html").stat().st_size > 1_000_000


def test_measurements_carry_unit_spread_count_and_conditions(finished: Path) -> None:
    measured = record_of(finished).trials[1].measurements
    accuracy, latency, size = (measured[n] for n in ("accuracy", "latency", "size"))
    assert accuracy.unit == "fraction" and accuracy.count == 448
    assert accuracy.low < accuracy.value < accuracy.high
    levels = latency.conditions["session"]["log_levels"]
    assert latency.unit == "ms" and latency.count >= len(levels) >= LEAST_BLOCKS
    assert latency.low <= latency.value <= latency.high
    assert {"batch", "threads", "relative_to", "denormals"} <= set(latency.conditions)
    artifact = record_of(finished).trials[1].artifact
    assert artifact is not None
    assert size.value == (finished.with_suffix("") / artifact["path"]).stat().st_size


def test_test_part_is_measured_for_baseline_front_and_trials_within_noise(
    finished: Path,
) -> None:
    record = record_of(finished)
    assert {t.number for t in record.trials if t.test} == set(trials_to_remeasure(record))
    assert {t.test["accuracy"].count for t in record.trials if t.test} == {450}


def test_second_run_reports_that_all_trials_are_done(finished: Path, cli: Any) -> None:
    before = outcomes(record_of(finished))
    output = cli("run", finished)
    assert output.code == 0
    assert "all 6 trials are done" in output.out
    assert outcomes(record_of(finished)) == before


@pytest.mark.slow
def test_run_continues_when_more_trials_are_requested(finished: Path, cli: Any) -> None:
    before = outcomes(record_of(finished))
    output = cli("run", finished, "--trials", 8)
    assert output.code == 0, output.err
    after = outcomes(record_of(finished))
    assert after[:7] == before
    assert len(after) >= 9


def test_stages_are_shared_between_trials(finished: Path) -> None:
    trials = record_of(finished).trials
    assert any("pretrain" in t.cached for t in trials)
    widths = {t.params["architecture.simple_cnn.width"] for t in trials[1:]}
    trained = [t for t in trials[1:] if "pretrain" not in t.cached]
    assert len(trained) == len(widths)


@pytest.mark.slow
def test_same_seed_proposes_the_same_when_run_in_two_parts(
    finished: Path, tmp_path: Path, cli: Any
) -> None:
    other = tmp_path / "parts" / "tiny.yaml"
    other.parent.mkdir()
    other.write_text(finished.read_text())
    assert cli("run", other, "--trials", 2).code == 0
    assert cli("run", other, "--trials", 3).code == 0
    # Random until there is enough to learn from; measured values differ from run to run.
    expected = [dict(t.params) for t in record_of(finished).trials[:4]]
    assert [dict(t.params) for t in record_of(other).trials] == expected


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["trial   3 [", "trial   1 ["])
def test_killed_run_goes_on_and_loses_no_trial(
    tiny: Path, start: Callable[..., Any], cli: Any, moment: str
) -> None:
    running = start("run", tiny)
    running.wait_for(moment)
    assert running.ended(signal.SIGKILL) == -signal.SIGKILL
    done = [o for o in outcomes(record_of(tiny)) if o[1] == "complete"]
    assert len(done) >= 2
    output = cli("run", tiny)
    assert output.code == 0, output.err
    after = record_of(tiny)
    assert outcomes(after)[: len(done)] == done
    assert {t.state for t in after.trials} == {"complete"}
    check = sqlite3.connect(tiny.with_suffix("") / "study.db")
    assert check.execute("pragma integrity_check").fetchone() == ("ok",)
    assert check.execute("pragma journal_mode").fetchone() == ("wal",)
    check.close()
    mirrored = load_optuna(tiny)
    assert [t.state.name for t in mirrored.trials] == ["COMPLETE"] * len(after.trials)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_exits_130_and_keeps_finished_trials(
    tiny: Path, start: Callable[..., Any], number: int
) -> None:
    running = start("run", tiny, "--trials", 60)  # enough trials to be still running
    running.wait_for("trial   1 [")
    assert running.ended(number) == 130
    assert "interrupted; what is done is kept" in running.log.read_text()
    assert record_of(tiny).trials[1].state == "complete"


@pytest.mark.slow
def test_two_workers_run_each_trial_once(tiny: Path, start: Callable[..., Any]) -> None:
    running = start("run", tiny, "--workers", 2, "--trials", 8)
    assert running.ended() == 0, running.log.read_text()
    record = record_of(tiny)
    trials = [t for t in record.trials if t.number and t.repeat_of is None]
    assert len(trials) == 8
    assert [t.number for t in record.trials] == list(range(len(record.trials)))
    with existing_store(f"sqlite:///{tiny.with_suffix('') / 'study.db'}") as store:
        assert store.workers() == []


def load_optuna(file: Path) -> optuna.Study:
    url = f"sqlite:///{file.with_suffix('') / 'study.db'}"
    return optuna.load_study(study_name="tiny", storage=url)


def test_optuna_opens_the_database(finished: Path) -> None:
    study, record = load_optuna(finished), record_of(finished)
    assert [t.number for t in study.trials] == [t.number for t in record.trials]
    assert study.metric_names == ["accuracy", "latency", "size"]
    for second, first in zip(study.trials, record.trials, strict=True):
        assert second.values == list(first.values.values())
        assert {k: second.params[k] for k in first.params} == {
            k: (str(v) if isinstance(second.params[k], str) else v) for k, v in first.params.items()
        }


def test_optuna_dashboard_opens_the_database(finished: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the dashboard's own, about its dependencies
        from optuna_dashboard import wsgi

        app = wsgi(f"sqlite:///{finished.with_suffix('') / 'study.db'}")
        answer: dict[str, str] = {}
        environment = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/api/studies",
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
        }
        body = b"".join(
            app(environment, lambda status, headers, error=None: answer.update(status=status))
        )
    assert answer["status"].startswith("200")
    assert [s["study_name"] for s in json.loads(body)["study_summaries"]] == ["tiny"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("data={digits: {validation: 0.3}}", "data.digits.validation"),
        ("baseline.pretrain.batch_size=32", "baseline.pretrain.batch_size"),
    ],
)
def test_changed_study_is_refused_naming_the_key(
    finished: Path, cli: Any, change: str, key: str
) -> None:
    before = outcomes(record_of(finished))
    output = cli("run", finished, "--set", change)
    assert output.code == 2
    assert f"  {key}" in output.err
    assert "Traceback" not in output.err
    assert outcomes(record_of(finished)) == before


@pytest.mark.parametrize("change", ["goals=[]", "budget={time: 1h}", "search.trials=5"])
def test_compatible_change_continues_the_study(finished: Path, cli: Any, change: str) -> None:
    assert cli("run", finished, "--set", change).code == 0


@pytest.mark.slow
def test_repeated_plan_takes_the_stored_result(tiny: Path, cli: Any) -> None:
    space = "space={quantization: {choice: [none, dynamic]}, finetune: {epochs: 0}}"
    search = "search={sampler: random, trials: 5, seed: 0, format_variants: false}"
    output = cli("run", tiny, "--set", space, "--set", search)
    assert output.code == 0, output.err
    record = record_of(tiny)
    trials = [t for t in record.trials if t.number and t.repeat_of is None]
    repeated = [t for t in record.trials if t.repeat_of is not None]
    assert len(trials) <= 2
    assert repeated
    for trial in repeated:
        assert trial.values == record.trials[trial.repeat_of].values  # type: ignore[index]
        assert trial.artifact is None
    assert "plans are done" in output.out
    assert "nothing new to propose" not in output.out


NETS = """\
import torch

class Net(torch.nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        if width == 9:
            raise RuntimeError("nine is no width")
        self.width = width
        self.body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))

    def forward(self, x):
        if self.width == 7 and self.training:
            raise RuntimeError("seven is no width")
        return self.body(x) * (float("nan") if self.width == 8 else 1.0)
"""


def with_nets(tiny: Path, module: str, widths: str) -> None:
    """Returns the tiny study over the user's own networks."""
    (tiny.parent / f"{module}.py").write_text(NETS)
    text = tiny.read_text().replace(
        "{simple_cnn: {width: {choice: [0.0625, 0.125]}}}",
        f'{{python: {{factory: "{module}:Net", args: {{width: {widths}}}}}}}',
    )
    assert module in text
    tiny.write_text(text)


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a run begin although the check before it would refuse the study."""
    monkeypatch.setattr("paretune.search.preflight.first_step.first_step", lambda *_, **__: None)


@pytest.mark.slow
def test_failing_trial_is_recorded_and_the_study_goes_on(tiny: Path, cli: Any) -> None:
    with_nets(tiny, "failing_nets", "{choice: [4, 7]}")
    output = cli("run", tiny, "--set", "search={sampler: random, trials: 6, seed: 3}")
    assert output.code == 0, output.err
    failed = [t for t in record_of(tiny).trials if t.state == "failed"]
    done = [t for t in record_of(tiny).trials if t.number and t.state == "complete"]
    assert failed and done
    reason = failed[0].reason
    assert reason is not None
    assert (reason["stage"], reason["type"]) == ("pretrain", "RuntimeError")
    assert "seven is no width" in reason["text"]
    assert "Traceback" in reason["traceback"]
    assert "seven is no width" in cli("show", tiny, failed[0].number).out
    assert "FAIL" in {t.state.name for t in load_optuna(tiny).trials}


@pytest.mark.parametrize(
    ("width", "stage", "text"), [(8, "deploy", "not finite"), (9, "pretrain", "nine is no width")]
)
def test_impossible_candidate_is_infeasible_with_the_reason(
    tiny: Path, cli: Any, unchecked: None, width: int, stage: str, text: str
) -> None:
    with_nets(tiny, f"impossible_nets_{width}", str(width))
    cli("run", tiny, "--trials", 1)
    trial = record_of(tiny).trials[1]
    assert trial.state == "infeasible"
    assert trial.reason is not None
    assert trial.reason["stage"] == stage
    assert text in trial.reason["text"]
    assert load_optuna(tiny).trials[1].state.name == "PRUNED"


def test_run_gives_up_when_every_trial_fails(tiny: Path, cli: Any, unchecked: None) -> None:
    with_nets(tiny, "broken_nets", "7")
    output = cli("run", tiny, "--trials", 60)
    assert output.code == 1
    assert "in a row failed" in output.out


@pytest.mark.slow
def test_time_budget_ends_the_run(tiny: Path, cli: Any) -> None:
    output = cli("run", tiny, "--trials", 100000, "--time", "4s")
    assert output.code == 0
    assert "the time of 4 s is spent" in output.out
    assert len(record_of(tiny).trials) < 100


@pytest.mark.slow
def test_study_without_a_limit_stops_at_its_goals(tiny: Path, cli: Any) -> None:
    output = cli("run", tiny, "--set", "budget={stop_at_goals: true}", "--trials", 50)
    assert output.code == 0, output.err
    assert "all goals are reached" in output.out
    assert len(record_of(tiny).trials) < 50


@pytest.mark.slow
def test_run_of_a_custom_trainer_loads_no_torch(tmp_path: Path) -> None:
    file = trainer_file(tmp_path)
    code = (
        "import sys\n"
        "from paretune.search.cli import main\n"
        f"sys.argv = ['paretune', 'run', {str(file)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' not in sys.modules, 'its workers would take seconds longer to start'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 25 trials are done" in done.stdout
