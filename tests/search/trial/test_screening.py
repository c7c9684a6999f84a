"""Constraints that an untrained network breaks end its trial before training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune.search.building.pipeline import Pipeline
from paretune.search.measuring.structural_constraints import (
    MARGIN,
    SCREEN,
    structural_constraints,
)
from paretune.search.study.records import Result, TrialRecord
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone, Event
from paretune.search.trial.screening import Screening, UntrainedNetwork
from paretune.search.trial.stage_study import StageStudy
from support.studies import record_of

STUDY = """\
study: tiny
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.25}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.5]}}}
  quantization: {choice: [none, dynamic]}
objectives:
  accuracy: maximize
  latency: {minimize: p50, seconds: 0.1, references: false}
  size: minimize
search: {sampler: random, trials: 4, seed: 1, format_variants: false}
"""

BOUNDS = "parameters <= 0.5 x baseline", "size <= 0.5 x baseline", "latency <= 1.1 x baseline"


ALL = (*BOUNDS, "throughput >= 1", "accuracy >= 1%")


def open_study(file: Path, constraints: Any, *sets: str) -> StageStudy:
    return StageStudy(load_study(file, [f"constraints={json.dumps(list(constraints))}", *sets]))


@pytest.fixture(scope="module", name="_based")
def based_fixture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrialRecord]:
    """A folder with a study file and its trained, measured baseline, and the record."""
    folder = tmp_path_factory.mktemp("based")
    (folder / "tiny.yaml").write_text(STUDY)
    study = open_study(folder / "tiny.yaml", ALL)
    record = based(study)
    study.close()
    return folder, record


@pytest.fixture
def file(_based: tuple[Path, TrialRecord], tmp_path: Path) -> Path:
    """The study file, with the baseline in the cache."""
    shutil.copytree(_based[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "tiny.yaml"


@pytest.fixture
def baseline(_based: tuple[Path, TrialRecord]) -> TrialRecord:
    """The baseline, of width 0.25."""
    return _based[1]


@pytest.fixture
def study(file: Path) -> Iterator[StageStudy]:
    study = open_study(file, BOUNDS)
    yield study
    study.close()


def based(study: StageStudy) -> TrialRecord:
    """Returns the record of the baseline."""
    result = study.evaluate(0, study.baseline, None, lambda event: None)
    measured = {m.name: m for m in result.measured}
    files = {"artifact": result.artifact, "artifacts": result.artifacts}
    return TrialRecord(0, "complete", {}, [], result.values, measured, **files)


def tried(
    study: StageStudy, number: int, baseline: TrialRecord, width: float, **more: Any
) -> tuple[Result, list[Event]]:
    events: list[Event] = []
    recipe = study.spec.baseline.pretrain
    assert recipe is not None
    choices = {"architecture": {"simple_cnn": {"width": width}}, "pretrain": recipe, **more}
    result = study.evaluate(number, study.plan(choices), baseline, events.append)
    return result, events


def trained(events: list[Event]) -> bool:
    return any(isinstance(event, EpochDone) for event in events)


# -- one trial -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_broken_bound_ends_the_trial_before_training_with_a_graded_violation(
    study: StageStudy, baseline: TrialRecord
) -> None:
    states = []
    for number, width in enumerate((0.3, 0.5), 1):
        result, events = tried(study, number, baseline, width)
        assert result.state == "infeasible"
        assert not trained(events)
        assert not result.values
        assert result.reason is not None
        assert (result.reason["stage"], result.reason["type"]) == (SCREEN, "Constraint")
        assert "breaks parameters <= 0.5 x baseline: not trained" in result.reason["text"]
        [parameters] = [m for m in result.measured if m.name == "parameters"]
        violation = parameters.value / baseline.measurements["parameters"].value / 0.5 - 1
        assert result.violations["parameters <= 0.5 x baseline"] == pytest.approx(violation)
        states.append(violation)
    assert 0 < states[0] < states[1]


def test_costlier_quantities_are_not_measured_after_a_broken_bound(
    study: StageStudy, baseline: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UntrainedNetwork, "artifact", lambda *_: pytest.fail("deployed"))
    result, _ = tried(study, 1, baseline, 0.5)
    assert list(result.violations) == ["parameters <= 0.5 x baseline"]


def test_candidate_within_all_bounds_is_trained_and_measures_the_same(
    file: Path, baseline: TrialRecord
) -> None:
    states = []
    for value in ("true", "false"):
        shutil.copytree(file.with_suffix(""), file.with_name(value))
        shutil.copy(file, file.with_name(f"{value}.yaml"))
        study = open_study(file.with_name(f"{value}.yaml"), BOUNDS, f"search.screening={value}")
        structured = {"structured": {"ratio": 0.3, "round_to": 4}}
        result, events = tried(study, 1, baseline, 0.125, pruning=structured)
        assert result.state == "complete", result.reason
        assert trained(events)
        assert (SCREEN in result.seconds) == (value == "true")
        exact = {n: result.values[n] for n in ("accuracy", "size")}
        states.append((exact, {m.name: m.value for m in result.measured if m.name == "macs"}))
        assert result.artifact is not None
        states[-1] += (result.artifact["sha256"],)
        study.close()
    assert states[0] == states[1]


def test_short_measurement_screens_out_a_slow_network(file: Path, baseline: TrialRecord) -> None:
    study = open_study(file, ["latency <= 1.1 x baseline"])
    # It breaks the bound by far: the host may have been busy while the baseline was measured.
    result, events = tried(study, 1, baseline, 4.0)  # 256 times the multiply-adds
    assert result.state == "infeasible", result.reason
    assert not trained(events)
    [latency] = result.measured
    assert latency.conditions["untrained"]
    assert latency.low * (1 - MARGIN["latency"]) > 1.1 * baseline.values["latency"]
    assert "ms ±" in (result.reason or {})["text"]
    study.close()


def test_lower_bound_is_compared_with_the_upper_end_of_the_interval(
    file: Path, baseline: TrialRecord
) -> None:
    study = open_study(file, ["throughput >= 4 x baseline"])
    result, events = tried(study, 1, baseline, 1.0)
    assert result.state == "infeasible", result.reason
    assert not trained(events)
    study.close()


def test_structure_takes_its_measurements_from_the_earlier_trial(
    study: StageStudy, baseline: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = tried(study, 1, baseline, 0.125)
    assert first.state == "complete"
    monkeypatch.setattr(UntrainedNetwork, "measure", lambda *_: pytest.fail("measured"))
    other = {**(study.spec.baseline.pretrain or {}), "epochs": 2}
    constraints = structural_constraints(study.spec)[1:]
    tight = tuple(replace(c, bound=replace(c.bound, factor=1e-3)) for c in constraints)
    bench = replace(study.workbench, spec=replace(study.spec, constraints=tight))
    evaluation = study.evaluation
    screening = Screening(bench, evaluation.timings)
    study.evaluation = replace(evaluation, screening=screening)
    second, events = tried(study, 2, baseline, 0.125, pretrain=other)
    assert second.state == "infeasible" and not trained(events)
    [size] = second.measured
    assert (size.value, size.conditions) == (first.values["size"], {"trial": 1})


def test_structure_is_measured_once_untrained(
    study: StageStudy, baseline: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = tried(study, 1, baseline, 0.5)
    monkeypatch.setattr(UntrainedNetwork, "measure", lambda *_: pytest.fail("measured"))
    second, _ = tried(study, 2, baseline, 0.5, finetune=study.spec.baseline.pretrain)
    assert second.violations == first.violations


def test_trained_candidate_is_not_screened(study: StageStudy, baseline: TrialRecord) -> None:
    baseline_architecture = study.spec.baseline.architecture
    result, events = tried(study, 1, baseline, 0.25, architecture=baseline_architecture)
    assert result.state == "complete"
    assert result.violations["parameters <= 0.5 x baseline"] == 1.0
    assert not trained(events) and SCREEN not in result.seconds


def test_structure_that_depends_on_the_weights_is_trained(
    study: StageStudy, baseline: TrialRecord
) -> None:
    pruning = {"structured": {"ratio": 0.1, "scope": "global"}}
    result, events = tried(study, 1, baseline, 0.5, pruning=pruning)
    assert result.state == "complete" and trained(events)
    assert result.violations["parameters <= 0.5 x baseline"] > 0


def test_error_of_screening_leaves_the_trial_to_its_training(
    study: StageStudy, baseline: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fails(*_: Any) -> Any:
        raise RuntimeError("scale issue")

    monkeypatch.setattr(UntrainedNetwork, "measure", fails)
    result, events = tried(study, 1, baseline, 0.5)
    assert result.state == "complete" and trained(events)


def test_impossible_pruning_is_refused_before_training(
    study: StageStudy, baseline: TrialRecord
) -> None:
    pruning = {"structured": {"macs": 0.01, "round_to": 64}}
    result, events = tried(study, 1, baseline, 0.125, pruning=pruning)
    assert result.state == "infeasible" and not trained(events)
    assert "cannot be met within 2 %" in (result.reason or {})["text"]


def test_nothing_is_built_when_no_constraint_is_structural(
    file: Path, baseline: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study(file, ["accuracy >= 1%"])
    monkeypatch.setattr(Pipeline, "trained", lambda *_: False)
    monkeypatch.setattr("paretune.search.trial.screening.outline", lambda *_: pytest.fail("built"))
    result, _ = tried(study, 1, baseline, 0.125)
    assert SCREEN not in result.seconds
    study.close()


# -- structural constraints -----------------------------------------------------------------------


def test_structural_constraints_bound_quantities_of_the_structure(file: Path) -> None:
    constraints = ["macs <= 1 M", "activations.bytes <= 1 MB", "size <= 1 MB", "latency <= 9 ms"]
    text = f"constraints={json.dumps([*constraints, 'accuracy >= 1%', 'training_time <= 99'])}"
    assert [c.text for c in structural_constraints(load_study(file, [text]))] == constraints
    assert structural_constraints(load_study(file, [text, "search.screening=false"])) == ()
    compressed = "objectives.size={minimize: null, compressed: true}"
    assert "size <= 1 MB" not in [
        c.text for c in structural_constraints(load_study(file, [text, compressed]))
    ]


def test_check_names_the_screened_quantities(file: Path) -> None:
    bounds = f"constraints={json.dumps(BOUNDS)}"
    first, *_ = check_info(load_study(file, [bounds])).stages
    assert first == "screen by parameters and size and latency"
    assert SCREEN not in " ".join(check_info(load_study(file)).stages)
    off = check_info(load_study(file, [bounds, "search.screening=false"]))
    assert SCREEN not in " ".join(off.stages)


# -- whole runs ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_run_shows_and_counts_screened_trials(file: Path, cli: Any) -> None:
    file.write_text(STUDY + 'constraints: ["size <= 0.5 x baseline"]\n')
    result = cli("run", file)
    assert result.code == 0, result.err
    record = record_of(file)
    ended = [t for t in record.trials if t.reason and t.reason["stage"] == SCREEN]
    assert ended, result.out
    assert all(t.params["architecture.simple_cnn.width"] == "0.5" for t in ended)
    assert "infeasible in screen: size" in result.out
    assert record.trial_count == 4
    shown = cli("show", file, ended[0].number)
    assert shown.code == 0 and "not trained" in shown.out


def test_each_target_is_screened_by_its_own_constraints(file: Path) -> None:
    file.write_text(STUDY + "targets: {a: {onnxruntime: {}}, b: {torchscript: {}}}\n")
    study = open_study(file, ["size@b <= 0.5 x baseline", "parameters <= 9 M"])
    baseline = based(study)
    result, events = tried(study, 1, baseline, 0.5, quantization={"dynamic": {}})
    assert result.state == "infeasible" and not trained(events), result.reason
    assert list(result.violations) == ["size@b <= 0.5 x baseline", "parameters <= 9 M"]
    study.close()
