"""Measurements under the names of the study, and a user's objective with several values."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.base import Measurement, ValueSpec
from paretune.objectives.calm import without_waiting
from paretune.search.measuring.gauge import (
    Gauge,
    WrongMeasurement,
    checked_measurements,
    mark_alone,
)
from support.measurements import paired_accuracy

USER = '''\
"""Accuracy on corrupted images: a user's own objective with further values."""

import numpy as np

from paretune.objectives.base import ValueSpec, measurement
from paretune.objectives.params import Params as Base

CALLS = []


class Robustness:
    """Mean accuracy over corruptions of the images."""

    name = "robustness"
    unit = "fraction"
    better = "higher"
    cost = 3
    values = {
        "noise": ValueSpec("fraction", "higher", "under Gaussian noise"),
        "blur": ValueSpec("fraction", "higher", "under a 3x3 mean"),
    }

    class Params(Base):
        """Options."""

        strength: float = 0.5

    @staticmethod
    def measure(subject, params, part):
        CALLS.append(part)
        session = subject.runtime.load(subject.artifact.path, subject.options)
        random = np.random.default_rng(0)
        right, seen = {"noise": 0, "blur": 0}, 0
        for images, labels in subject.data.arrays(part, 256):
            shifted = [np.roll(images, (y, x), (2, 3)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
            noise = random.normal(0, params.strength, images.shape).astype(np.float32)
            corrupted = {"noise": images + noise, "blur": np.mean(shifted, axis=0)}
            for name, changed in corrupted.items():
                right[name] += int((session(changed).argmax(1) == labels).sum())
            seen += len(labels)
        shares = {name: count / seen for name, count in right.items()}
        conditions = {"part": part, "strength": params.strength}
        return [
            measurement(Robustness, sum(shares.values()) / 2, count=seen, conditions=conditions),
            *(
                measurement(Robustness, share, count=seen, conditions=conditions, further=name)
                for name, share in shares.items()
            ),
        ]
'''

STUDY = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.125}}, pretrain: {epochs: 1}}
space: {pruning: {structured: {ratio: {choice: [0.1, 0.2]}}}, finetune: {epochs: 1}}
objectives:
  accuracy: maximize
  "corrupting:Robustness": {maximize: null, strength: 1.0}
  "corrupting:Robustness.blur": {maximize: null, strength: 1.0}
constraints: ["corrupting:Robustness.noise >= baseline - 90%"]
goals: ["corrupting:Robustness.blur >= 1%"]
search: {trials: 1, sampler: grid}
"""

NAME = "corrupting:Robustness"


def robustness(name: str, unit: str = "fraction", better: Any = "higher") -> Measurement:
    return Measurement(name, 0.5, unit, better, 0.5, 0.5)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "corrupting.py").write_text(USER)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "corrupting", raising=False)
    file = tmp_path / "robust.yaml"
    file.write_text(STUDY)
    return file


def test_values_are_kept_under_the_names_of_the_study(study: Path) -> None:
    measurements = checked_measurements(
        NAME, [robustness("robustness"), robustness("robustness.blur")], {f"{NAME}.blur"}
    )
    assert [m.name for m in measurements] == [NAME, f"{NAME}.blur"]


def test_only_quantities_of_the_study_keep_their_results_on_each_example() -> None:
    measured = [
        replace(paired_accuracy([True] * 9 + [False]), name=name)
        for name in ("accuracy", "accuracy.top5", "accuracy.f1")
    ]
    gauge = Gauge((("accuracy", {}),), frozenset({"accuracy.f1"}))
    kept = {m.name: m.per_example is not None for m in gauge.named_values("accuracy", measured)}
    assert kept == {"accuracy": True, "accuracy.top5": False, "accuracy.f1": True}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (0.5, "returned a float; measure must return a Measurement, or a list of"),
        ([robustness("robustness"), 0.5], "returned a list; measure must return a Measurement"),
        (None, "returned a NoneType; measure must return a Measurement"),
        ([robustness("robustness")] * 2, f"returned {NAME} twice"),
        ([robustness("robustness", "ms")], "came in ms, higher is better; it is declared in frac"),
        ([robustness("robustness", better="lower")], "came in fraction, lower is better; it is"),
        (
            [robustness("robustness.blurr")],
            'returned "robustness.blurr"; did you mean "robustness.blur"?',
        ),
        (
            [robustness("robustness.noise")],
            f"returned no {NAME}, {NAME}.blur; it returned {NAME}.noise",
        ),
    ],
)
def test_wrong_measurement_is_refused_with_its_reason(answer: Any, text: str, study: Path) -> None:
    with pytest.raises(WrongMeasurement) as error:
        checked_measurements(NAME, answer, {f"{NAME}.blur"})
    assert text in str(error.value)


def test_objective_is_measured_once_with_the_options_of_its_own(study: Path) -> None:
    from paretune.search.study_file.loading import load_study

    gauge = Gauge.of(load_study(study))
    assert dict(gauge.quantities)[NAME] == {"strength": 1.0}
    assert [name for name, _ in gauge.quantities].count(NAME) == 1
    assert {NAME, f"{NAME}.blur", f"{NAME}.noise", "accuracy"} <= gauge.named


def test_split_separates_quantities_that_training_changes(study: Path) -> None:
    from paretune.search.study_file.loading import load_study

    gauge = Gauge.of(load_study(study))
    exact, learnt = gauge.split_by_training([f"{NAME}.blur", "accuracy", "parameters"])
    assert [name for name, _ in exact.quantities] == ["parameters"], "MACs are not asked for"
    assert {name for name, _ in learnt.quantities} == {"accuracy", NAME}
    assert learnt.named == gauge.named


def test_tested_names_are_those_that_depend_on_data(study: Path) -> None:
    from paretune.search.study_file.loading import load_study

    names = Gauge.of(load_study(study)).tested_names()
    assert {"accuracy", NAME, f"{NAME}.blur"} <= names
    assert not names & {"parameters", "macs", "size"}


def test_users_objective_works_like_a_built_in_one(study: Path, cli: Any) -> None:
    output = cli("run", study)
    assert output.code == 0, output.err
    first, second = (json.loads(cli("show", study, number, "--json").out) for number in (0, 1))
    for trial in (first, second):
        values, measured = trial["values"], trial["measurements"]
        assert list(values) == ["accuracy", NAME, f"{NAME}.blur"]
        parts = [measured[f"{NAME}.{kind}"]["value"] for kind in ("noise", "blur")]
        assert values[NAME] == pytest.approx(sum(parts) / 2)
        assert measured[NAME]["conditions"] == {"part": "validation", "strength": 1.0}
    test = first["test"]
    assert {NAME, f"{NAME}.noise", f"{NAME}.blur", "accuracy"} <= set(test)
    assert test[NAME]["conditions"]["part"] == "test"
    calls = sys.modules["corrupting"].CALLS
    assert calls.count("validation") == 3  # one pass a trial and one check, whatever is named


@pytest.mark.slow
def test_further_values_are_shown_picked_by_and_exported(study: Path, cli: Any) -> None:
    assert cli("run", study).code == 0
    assert f"{NAME}.blur" in cli("front", study).out.replace("\n", "")
    assert cli("report", study).code == 0
    out = study.parent / "out"
    output = cli("export", study, "--pick", f"{NAME}.noise >= 0.1%", "-o", out)
    assert output.code == 0, output.err
    assert f"{NAME}.blur" in json.loads((out / "manifest.json").read_text())["measurements"]["test"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (f"objectives.{NAME}.blur=minimize", "is better when higher: write maximize"),
        (
            f"objectives.{NAME}.blur={{maximize: p50}}",
            "has one statistic only: write corrupting:Robustness.blur: maximize",
        ),
        (
            f"objectives.{NAME}.blur={{maximize: null, strength: 0.25}}",
            f"is measured together with {NAME}: give both the same options",
        ),
        (
            f"constraints=['{NAME}.blurr >= 0.5']",
            f'{NAME} has no value "blurr"; did you mean "blur"? It has {NAME}.noise',
        ),
        ("constraints=['size.blur >= 0.5']", 'size has one value only, no "blur": write size'),
        ("goals=['robust >= 0.5']", 'unknown objective "robust". Known: accuracy'),
        ("goals=['no_mod_at_all:Robust >= 0.5']", "No module named 'no_mod_at_all'"),
    ],
)
def test_wrong_names_and_options_are_refused_at_load(
    change: str, text: str, study: Path, cli: Any
) -> None:
    file = study
    key, _, value = change.partition("=")
    if key.startswith("objectives."):
        name = key.removeprefix("objectives.")
        lines = file.read_text().splitlines()
        file.write_text(
            "\n".join(f'  "{name}": {value}' if f'"{name}"' in x else x for x in lines) + "\n"
        )
        output = cli("check", file)
    else:
        output = cli("check", file, "--set", change)
    assert output.code == 2
    assert text in output.err.replace("\n", " ")


def test_quantity_that_needs_more_classes_is_refused_before_any_work(
    study: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.objectives.accuracy import Accuracy

    spec = ValueSpec("fraction", "higher", "the class is among the eleven largest", 11)
    monkeypatch.setattr(Accuracy, "values", {"top11": spec}, raising=False)
    output = cli("run", study, "--set", "constraints=['accuracy.top11 >= 0.5']")
    assert output.code == 2
    assert "accuracy.top11 needs at least 11 classes, but the data has 10" in output.err
    assert not (study.parent / "robust" / "stages").exists()


def test_timed_measurements_record_whether_other_work_was_paused() -> None:
    measurement = Measurement("latency", 1.0, "ms", "lower", 1.0, 1.0, 1, {"batch": 1})
    assert mark_alone(measurement, True).conditions == {"batch": 1, "alone": True}
    assert [m.conditions["alone"] for m in mark_alone((measurement, measurement), False)] == [
        False,
        False,
    ]
    with without_waiting():
        assert mark_alone(measurement, False).conditions["waited"] is False
    assert mark_alone("something else", True) == "something else"  # is refused elsewhere


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("objectives={accuracy: maximize, energy: minimize}", "objectives.energy: energy"),
        ("constraints=['energy <= 5 mJ']", "constraints.0: energy"),
        ("goals=['energy <= 0.5 x baseline']", "goals.0: energy"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_quantity_that_cannot_be_measured_here_is_refused_before_any_work(
    command: str, change: str, key: str, study: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretune.objectives.energy.POWERCAP", study.parent / "nothing")
    output = cli(command, study, "--set", change)
    assert output.code == 2
    reason = f"{key} cannot be measured here: no RAPL counters ({study.parent}/nothing is not there"
    assert reason in output.err
    assert not (study.parent / "robust").exists()


def test_stored_study_is_read_on_a_machine_that_cannot_measure_it(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its front is shown and its models are exported on any machine."""
    from paretune.search.study_file.document import read_document
    from paretune.search.study_file.loading import load_source

    monkeypatch.setattr("paretune.objectives.energy.POWERCAP", study.parent / "nothing")
    source = read_document(study, ["objectives={accuracy: maximize, energy: minimize}"]).data
    assert [o.name for o in load_source(source, study).objectives] == ["accuracy", "energy"]


def test_energy_objective_works_if_this_machine_can_read_energy(
    study: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zeus")
    zone = study.parent / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "energy_uj").write_text("1")
    monkeypatch.setattr("paretune.objectives.energy.POWERCAP", zone.parent)
    output = cli("check", study, "--set", "objectives={accuracy: maximize, energy: minimize}")
    assert output.code == 0, output.err
    assert "minimize energy [J]" in output.out


TIMED = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.125}}, pretrain: {epochs: 1}}
space:
  pruning: {structured: {ratio: {choice: [0.1, 0.2]}}}
  distillation: {logits: {}}
  finetune: {epochs: 1}
objectives:
  accuracy: {maximize: balanced}
  accuracy.loss: minimize
  training_time: {minimize: null, teacher: true}
constraints: ["accuracy.calibration <= 99%", "activations.bytes <= 1 MB"]
search: {trials: 2, sampler: grid}
"""


def test_training_time_counts_shared_stages_and_teachers_in_full(tmp_path: Path, cli: Any) -> None:
    file = tmp_path / "timed.yaml"
    file.write_text(TIMED)
    output = cli("run", file)
    assert output.code == 0, output.err
    base, first, second = (json.loads(cli("show", file, n, "--json").out) for n in range(3))
    trials = (base, first, second)
    made = [t["measurements"]["training_time"]["conditions"]["stages"] for t in trials]
    assert set(made[0]) == {"pretrain"}
    assert set(made[1]) == {"pretrain", "prune", "finetune", "teacher"}
    for stages in made[1:]:
        # Each took it from the cache, and so did the teacher, which is the baseline.
        assert stages["pretrain"] == stages["teacher"] == made[0]["pretrain"] > 0
    assert first["seconds"]["pretrain"] == 0
    assert made[1]["finetune"] != made[2]["finetune"]
    for trial, stages in zip(trials, made, strict=True):
        assert trial["values"]["training_time"] == pytest.approx(sum(stages.values()))
        measured = trial["measurements"]
        assert trial["values"]["accuracy"] == measured["accuracy.balanced"]["value"]
        assert trial["values"]["accuracy.loss"] == measured["accuracy.loss"]["value"]
        assert set(trial["violations"]) == {
            "accuracy.calibration <= 99%",
            "activations.bytes <= 1 MB",
        }
    assert {"accuracy", "accuracy.top5", "accuracy.loss"} <= set(base["test"])
    assert "training_time" not in base["test"]
