"""What changed between two versions, in words; and what that means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.changing.change import StudyChange, change_of
from paretune.search.changing.change_texts import change_texts
from paretune.search.changing.present import present_trial
from paretune.search.changing.stored_study import StoredStudy
from paretune.search.study.records import TrialRecord
from paretune.search.study.version import StudyVersion, VersionChanges
from paretune.search.study_file.loading import load_study
from paretune.search.trial.resume_check import identity
from support.study_texts import SMALL


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def stored_identity(file: Path) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(json.dumps(identity(load_study(file))))
    return stored


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "space.pruning.choice.structured.ratio={float: [0.1, 0.9]}",
            ["pruning.structured.ratio 0.1 .. 0.8 -> 0.1 .. 0.9"],
        ),
        (
            "space.pruning.choice.structured.ratio={float: [0.1, 0.8], log: true}",
            ["pruning.structured.ratio 0.1 .. 0.8 -> 0.1 .. 0.8, log"],
        ),
        (
            "space.pruning.choice.structured.ratio=0.5",
            ["pruning.structured.ratio 0.1 .. 0.8 -> 0.5"],
        ),
        ("space.pruning=", ["pruning none or structured -> none"]),
        ("space.finetune.epochs=2", ["finetune.epochs 1 .. 4 -> 2"]),
        (
            "space.quantization={choice: [none, dynamic, static]}",
            ["quantization: new option static"],
        ),
        (
            "space.architecture.choice.simple_cnn.width={choice: [0.25, 1, 2]}",
            [
                "architecture.simple_cnn.width: new options 1.0 and 2.0",
                "architecture.simple_cnn.width: option 0.5 dropped",
            ],
        ),
        ("objectives.latency.minimize=p99", ["latency: statistic p50 -> p99"]),
        ("objectives.macs=minimize", ["new objective macs: minimize"]),
        (
            'constraints=["accuracy >= baseline - 2%"]',
            [
                "new constraint accuracy >= baseline - 2%",
                "constraint accuracy >= baseline - 3% dropped",
            ],
        ),
        ("search.seed=8", ["seed 7 -> 8"]),
        ("search.sampler=tpe", ["sampler random -> tpe"]),
        ("search.racing={}", ['racing none -> {"steps": null, "first": 1, "eta": 3}']),
        (
            "space.quantization={choice: [dynamic, none]}",
            ["order of quantization: dynamic, none"],
        ),
    ],
)
def test_change_is_told_by_its_parameter(file: Path, override: str, expected: list[str]) -> None:
    new = json.loads(json.dumps(identity(load_study(file, [override]))))
    texts = list(change_texts(stored_identity(file), new))
    assert texts == expected


# -- what it means -------------------------------------------------------------------------------


def measurement(name: str, value: float, unit: str, better: Any) -> Measurement:
    """Returns a measurement without an interval."""
    return Measurement(name, value, unit, better, value, value, 1)


def trial(number: int, accuracy: float, latency: float, size: float = 9e3) -> TrialRecord:
    """Returns a complete trial with these measurements."""
    measured = [
        measurement("accuracy", accuracy, "fraction", "higher"),
        measurement("latency", latency, "ms", "lower"),
        measurement("size", size, "bytes", "lower"),
        measurement("macs", 1e6, "operations", "lower"),
        measurement("parameters", 1e3, "parameters", "lower"),
    ]
    values = {m.name: m.value for m in measured[:3]}
    named = {m.name: m for m in measured}
    return TrialRecord(number, "complete", {}, [], values, named, finished=float(number))


def change(file: Path, *overrides: str) -> StudyChange:
    """Returns the change of the study with a baseline and two trials."""
    old = stored_identity(file)
    first = StudyVersion(1, 0.0, old, VersionChanges())
    trials = (trial(0, 0.9, 2.0), trial(1, 0.88, 1.0), trial(2, 0.8, 0.5))
    made = change_of(StoredStudy(old, (first,), {}, trials), load_study(file, overrides))
    assert made is not None
    return made


def test_other_option_of_an_objective_makes_its_measurements_stale(file: Path) -> None:
    made = change(file, "objectives.latency.batch=8")
    assert made.stale == ("latency",)
    assert made.missing == {"latency": 3}
    assert "latency will be measured again on 3 files" in made.effects
    assert all(present.values == {} for present in made.present.values())


def test_new_objective_is_missing_everywhere_and_others_stay(file: Path) -> None:
    made = change(file, "objectives.memory=minimize")
    assert (made.stale, made.missing) == ((), {"memory": 3})
    assert made.options["latency"]["batch"] == 4


def test_dropped_objective_keeps_its_options_for_its_return(file: Path) -> None:
    made = change(file, "objectives={accuracy: maximize, size: minimize}")
    assert (made.stale, made.missing) == ((), {})
    assert made.options["latency"]["batch"] == 4
    assert made.present[1].values == {"accuracy": 0.88, "size": 9e3}


def test_constraint_is_decided_from_stored_measurements(file: Path) -> None:
    made = change(file, 'constraints=["latency <= 0.4 x baseline"]')
    assert {n: p.violations["latency <= 0.4 x baseline"] > 0 for n, p in made.present.items()} == {
        0: True,
        1: True,
        2: False,
    }
    assert "1 of 2 measured trials meet the constraints, 2 before" in made.effects


def test_goal_on_a_new_quantity_is_a_change(file: Path) -> None:
    made = change(file, "goals=[memory <= 10 MB]")
    assert made.texts == ("new goal memory <= 10 MB",)
    assert made.missing == {"memory": 3}


def test_trial_that_a_constraint_ended_is_retried_only_if_it_may_hold_now(file: Path) -> None:
    spec = load_study(file, ['constraints=["size <= 10 KB"]'])
    reason = {"stage": "screen", "type": "Constraint", "text": "size 12 KB breaks size <= 5 KB"}

    def screened(size: float) -> TrialRecord:
        named = {"size": measurement("size", size, "bytes", "lower")}
        return TrialRecord(5, "infeasible", {}, [], measurements=named, reason=reason)

    assert present_trial(screened(9_000), spec, {}).is_retried
    broken = present_trial(screened(12_000), spec, {})
    assert not broken.is_retried and broken.violations["size <= 10 KB"] > 0
    impossible = TrialRecord(6, "infeasible", {}, [], reason={**reason, "type": "Infeasible"})
    assert not present_trial(impossible, spec, {}).is_retried
