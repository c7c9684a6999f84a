"""A structure is timed once, whatever the weights; all its networks take that timing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.objectives.latency import Latency
from paretune.objectives.timing.rounds import TimingRounds
from paretune.search.building.network_structure import structure_of
from paretune.search.database.structures import Structures
from paretune.search.study.records import STRUCTURE_OF, Result, TrialRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.search.trial.structure_timings import StructureTimings
from paretune.search.views.trial_text import trial_text


@pytest.fixture
def file(tiny: Path) -> Path:
    """Timed without references, which is quicker."""
    text = tiny.read_text()
    tiny.write_text(text.replace("seconds: 0.1", "seconds: 0.1, references: false"))
    return tiny


@pytest.fixture
def study(file: Path) -> Iterator[StageStudy]:
    study = StageStudy(load_study(file))
    yield study
    study.close()


def recorded(study: StageStudy, number: int, plan: Any, baseline: TrialRecord | None) -> Result:
    """Evaluates a plan as a trial, and stores its result."""
    study.store.begin(number, "me", plan, {}, {})
    result = study.evaluate(number, plan, baseline, lambda event: None)
    study.store.finish(number, result, study.host)
    return result


def based(study: StageStudy) -> TrialRecord:
    recorded(study, 0, study.baseline, None)
    baseline = study.store.trial(0)
    assert baseline is not None
    return baseline


def plan_of(study: StageStudy, width: float, lr: float = 2e-3, **more: Any) -> Any:
    recipe = {**(study.spec.baseline.pretrain or {}), "optimizer": {"adam": {"lr": lr}}}
    architecture = {"simple_cnn": {"width": width}}
    return study.plan({"architecture": architecture, "pretrain": recipe, **more})


def latency(result: Result) -> Any:
    [measurement] = [m for m in result.measured if m.name == "latency"]
    return measurement


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls that time a network, on a host that counts as calm whatever else it does."""
    timed: list[Any] = []
    real = Latency.measure

    def measure(*arguments: Any) -> Any:
        timed.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(Latency, "measure", staticmethod(measure))
    monkeypatch.setattr(TimingRounds, "disturbed", False)
    monkeypatch.setattr("paretune.objectives.latency.SLOWER_HOST", 1e9)
    return timed


def test_second_network_of_a_structure_takes_the_first_timing_and_its_own_accuracy(
    study: StageStudy, counted: list[Any]
) -> None:
    baseline = based(study)
    first = recorded(study, 1, plan_of(study, 0.125), baseline)
    second = recorded(study, 2, plan_of(study, 0.125, lr=1e-5), baseline)
    assert len(counted) == 2  # the baseline's and the first
    assert latency(second).conditions.pop(STRUCTURE_OF) == 1
    assert STRUCTURE_OF not in latency(first).conditions
    assert latency(second) == latency(first)
    assert second.values["latency"] == first.values["latency"]
    assert second.values["accuracy"] < first.values["accuracy"]


def test_third_network_names_the_timed_trial_and_show_prints_it(
    study: StageStudy, counted: list[Any]
) -> None:
    baseline = based(study)
    for number, lr in enumerate((1e-3, 1e-4, 1e-5), 1):
        last = recorded(study, number, plan_of(study, 0.125, lr=lr), baseline)
    assert latency(last).conditions[STRUCTURE_OF] == 1
    assert len(counted) == 2
    texts = [trial_text(t) for n in (1, 3) if (t := study.store.trial(n))]
    assert [", from trial 1 (same structure)" in text for text in texts] == [False, True]


def test_other_shape_format_or_share_of_zeros_is_timed(
    study: StageStudy, counted: list[Any]
) -> None:
    baseline = based(study)
    half = {"unstructured": {"ratio": 0.5}}
    plans = [
        plan_of(study, 0.125),
        plan_of(study, 0.0625),
        plan_of(study, 0.125, quantization={"dynamic": {}}),
        plan_of(study, 0.125, pruning=half),
    ]
    for number, plan in enumerate(plans, 1):
        result = recorded(study, number, plan, baseline)
        assert result.state == "complete", result.reason
        assert STRUCTURE_OF not in latency(result).conditions
    assert len(counted) == 1 + len(plans)


def test_baseline_timing_is_not_reused(study: StageStudy, counted: list[Any]) -> None:
    """Its interval is in milliseconds; other intervals are of the ratio to the baseline."""
    baseline = based(study)
    result = recorded(study, 1, plan_of(study, 0.25, lr=1e-4), baseline)
    assert STRUCTURE_OF not in latency(result).conditions
    assert len(counted) == 2


@pytest.mark.slow
def test_timing_of_a_busy_host_is_repeated(
    study: StageStudy, counted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = based(study)
    with monkeypatch.context() as busy:
        busy.setattr(TimingRounds, "disturbed", True)
        recorded(study, 1, plan_of(study, 0.125), baseline)
    second = recorded(study, 2, plan_of(study, 0.125, lr=1e-4), baseline)
    third = recorded(study, 3, plan_of(study, 0.125, lr=1e-5), baseline)
    assert STRUCTURE_OF not in latency(second).conditions
    assert latency(third).conditions[STRUCTURE_OF] == 2
    assert len(counted) == 3


def test_other_host_times_the_structure_again(study: StageStudy, counted: list[Any]) -> None:
    baseline = based(study)
    recorded(study, 1, plan_of(study, 0.125), baseline)
    elsewhere = replace(study.workbench, host="elsewhere")
    timings = StructureTimings(elsewhere, Structures(study.engine))
    study.evaluation = replace(study.evaluation, timings=timings)
    result = recorded(study, 2, plan_of(study, 0.125, lr=1e-4), baseline)
    assert STRUCTURE_OF not in latency(result).conditions


def test_every_network_is_timed_when_reuse_is_off(file: Path, counted: list[Any]) -> None:
    study = StageStudy(load_study(file, ["search.reuse_timings=false"]))
    baseline = based(study)
    for number, lr in enumerate((1e-3, 1e-4), 1):
        result = recorded(study, number, plan_of(study, 0.125, lr=lr), baseline)
        assert STRUCTURE_OF not in latency(result).conditions
    assert len(counted) == 3
    study.close()


def test_structure_depends_on_shapes_and_zeros_only() -> None:
    def network(seed: int, width: int = 3) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Linear(4, width)

    assert structure_of(network(0)) == structure_of(network(1))
    assert structure_of(network(0)) != structure_of(network(0, width=2))
    sparse = network(0)
    with torch.no_grad():
        sparse.weight[0] = 0
    assert structure_of(sparse) != structure_of(network(0))


@pytest.mark.slow
def test_each_target_reuses_its_own_timings(file: Path, counted: list[Any]) -> None:
    objectives = "latency@b: {minimize: p50, seconds: 0.1, references: false}, "
    targets = "targets: {a: {onnxruntime: {}}, b: {torchscript: {}}}\n"
    file.write_text(
        file.read_text().replace("size: minimize", objectives + "size: minimize") + targets
    )
    study = StageStudy(load_study(file))
    baseline = based(study)
    results = [
        recorded(study, number, plan_of(study, 0.125, lr=lr), baseline)
        for number, lr in enumerate((1e-3, 1e-4), 1)
    ]
    for name in ("latency@a", "latency@b"):
        first, second = ({m.name: m for m in r.measured}[name] for r in results)
        assert second.value == first.value
        assert second.conditions[STRUCTURE_OF] == 1
    assert len(counted) == 4
    study.close()
