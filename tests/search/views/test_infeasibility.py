"""Why no trial is feasible: counts, the nearest trial, and what to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.search.views.infeasibility import infeasibility_info, infeasible_lines
from paretune.search.views.report import report_html
from support.command_line import Cli
from support.trainers import trainer_study

UNITS = {"accuracy": "fraction", "latency": "ms", "size": "bytes", "rate": "img/s"}
BASE = {"accuracy": 0.95, "latency": 2.0, "size": 80_000.0, "rate": 100.0}


def measured(values: dict[str, float]) -> dict[str, Measurement]:
    return {n: Measurement(n, v, UNITS[n], "lower", v, v) for n, v in values.items()}


def record(constraints: list[str], *trials: Any) -> StudyRecord:
    """Returns a study whose trials have these values, or end with a (state, reason)."""
    read = [read_constraint(text, UNITS) for text in constraints]
    rows = [TrialRecord(0, "complete", {}, [], values=BASE, measurements=measured(BASE))]
    for number, trial in enumerate(trials, 1):
        if isinstance(trial, tuple):
            state, text = trial
            reason = {"stage": "prune", "type": "RuntimeError", "text": text}
            rows.append(TrialRecord(number, state, {}, [], reason=reason, finished=1.0))
            continue
        values = {**BASE, **trial}
        violations = {c.text: c.violation(values[c.quantity], BASE[c.quantity]) for c in read}
        rows.append(
            TrialRecord(
                number,
                "complete",
                {},
                [],
                values=values,
                measurements=measured(values),
                violations=violations,
                finished=1.0,
            )
        )
    axes = (Axis("latency", "ms", "lower"), Axis("size", "bytes", "lower"))
    return StudyRecord("s", {"constraints": constraints}, axes, tuple(rows))


def test_reasons_name_counts_bounds_in_units_and_what_to_change() -> None:
    study = record(
        ["latency <= 0.5 x baseline", "size <= 20 KB"],
        {"latency": 1.5, "size": 19_000.0},
        {"latency": 1.104, "size": 10_000.0},
        {"latency": 3.0, "size": 30_000.0},
        ("infeasible", "nothing is left"),
        ("infeasible", "nothing is left"),
        ("failed", "no memory"),
    )
    assert infeasible_lines(study) == [
        "Of 6 trials, none is feasible:",
        "  3 trials broke latency <= 0.5 x baseline (at most 1.00 ms); nearest: trial 2 with "
        "1.10 ms",
        "  1 trial broke size <= 20 KB; nearest: trial 3 with 30.0 KB",
        "  2 trials infeasible in prune: nothing is left",
        "  1 trial failed in prune: RuntimeError: no memory",
        "Trial 2 is the nearest: its latency of 1.10 ms is 0.104 ms above the bound.",
        'To change: the constraint "latency <= 0.552 x baseline" would admit it;',
        "or give the space values with better latency, size.",
        "A study with other constraints or another space needs another name and file.",
    ]


def test_nothing_is_said_when_a_trial_is_feasible() -> None:
    assert infeasible_lines(record(["size <= 20 KB"], {"size": 30_000.0}, {"size": 1.0})) == []


def test_nothing_is_said_before_a_trial_has_ended() -> None:
    assert infeasible_lines(record(["size <= 20 KB"])) == []


def test_repeats_are_not_counted() -> None:
    study = record(["size <= 20 KB"], {"size": 30_000.0}, {"size": 30_000.0})
    repeat = replace(study.trials[2], repeat_of=1)
    info = infeasibility_info(replace(study, trials=(*study.trials[:2], repeat)))
    assert info is not None
    assert (info.trials, info.constraints[0].broken) == (1, 1)


def test_nearest_trial_has_the_smallest_worst_violation() -> None:
    study = record(
        ["latency <= 1 ms", "size <= 20 KB"],
        {"latency": 1.01, "size": 60_000.0},
        {"latency": 1.2, "size": 23_000.0},
    )
    info = infeasibility_info(study)
    assert info is not None
    assert info.nearest == 2
    assert info.loosened == ("latency <= 1.2 ms", "size <= 23 KB")


@pytest.mark.parametrize(
    ("constraint", "values", "loosened"),
    [
        ("accuracy >= baseline - 1%", {"accuracy": 0.90}, "accuracy >= baseline - 5%"),
        ("accuracy >= -1%", {"accuracy": 0.9012}, "accuracy >= baseline - 4.88%"),
        ("accuracy >= 97 %", {"accuracy": 0.9488}, "accuracy >= 94.8%"),
        ("latency <= 0.5x", {"latency": 1.2345}, "latency <= 0.618 x baseline"),
        ("latency <= 10 us", {"latency": 1.2345}, "latency <= 1.24 ms"),
        ("size <= baseline - 90%", {"size": 21_345.0}, "size <= 0.267 x baseline"),
        ("size <= 10 kib", {"size": 2_134_567.0}, "size <= 2.14 MB"),
        ("size <= 10", {"size": 123.0}, "size <= 123 bytes"),
        ("rate >= 250", {"rate": 123.456}, "rate >= 123"),
    ],
)
def test_loosened_constraint_can_be_read_and_admits_the_trial(
    constraint: str, values: dict[str, float], loosened: str
) -> None:
    info = infeasibility_info(record([constraint], values))
    assert info is not None
    assert info.loosened == (loosened,)
    read = read_constraint(loosened, UNITS)
    [(name, value)] = values.items()
    assert read.violation(value, BASE[name]) <= 0


def test_reasons_alone_are_counted_when_no_trial_was_measured() -> None:
    study = record(["size <= 20 KB"], *[("failed", f"cause {n}") for n in range(5)])
    lines = infeasible_lines(study)
    assert lines[0] == "Of 5 trials, none is feasible:"
    assert lines[4] == "  2 trials for other reasons"
    assert "Trial" not in lines[-1]


def test_report_says_why_nothing_is_feasible() -> None:
    page = report_html(record(["size <= 20 KB"], {"size": 30_000.0}))
    assert "Of 1 trial, none is feasible:<br>" in page
    assert "1 breaks a constraint" in page


def test_run_front_and_status_say_why_nothing_is_feasible(tmp_path: Any, cli: Cli) -> None:
    study = trainer_study(tmp_path, trials=5)
    text = study.file.read_text() + 'constraints: ["cost <= 0.5"]\n'
    study.file.write_text(text)
    expected = [
        "Of 5 trials, none is feasible:",
        "  5 trials broke cost <= 0.5; nearest: trial ",
        'To change: the constraint "cost <= 1" would admit it;',
    ]
    run = cli("run", study.file)
    assert run.code == 1
    for result in (run, cli("front", study.file), cli("status", study.file)):
        assert all(line in result.out for line in expected), result
    assert "--trials" not in run.out
