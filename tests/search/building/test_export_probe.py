"""A network that cannot be exported is refused before it is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.search.building.export_probe import ExportProbe, _code_of
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.watch import StageError, Watch
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study.tables import RUNTIMES
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone, Event
from paretune.search.trial.stage_study import StageStudy
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.recipe import Recipe

NETS = '''
import torch
from torch import nn


class Spectral(nn.Module):
    """Uses an operator that ONNX has not got."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(8, classes)

    def forward(self, x):
        return self.last(torch.linalg.svdvals(x[:, 0]))
'''


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A user's module next to the study, with a name that no other test uses."""
    name = f"nets_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(NETS)
    return name


@pytest.fixture
def study(tiny: Path, module: str) -> Iterator[StageStudy]:
    open_study = StageStudy(load_study(tiny))
    yield open_study
    open_study.close()


def plan(architecture: dict[str, Any], epochs: int = 1) -> Plan:
    optimizer = {"adam": {"lr": 2e-3}}
    recipe = Recipe.model_validate({"epochs": epochs, "optimizer": optimizer}).model_dump()
    runtime = {"runtime": {"onnxruntime": {"provider": "cpu", "threads": 1}}}
    params = {"architecture": architecture, "checkpoint": None, "recipe": recipe}
    return Plan((Stage("pretrain", params), Stage("deploy", runtime)))


def spectral(module: str) -> dict[str, Any]:
    return {"python": {"factory": f"{module}:Spectral", "args": {}}}


def test_network_that_cannot_be_exported_is_infeasible_before_training(
    study: StageStudy, module: str
) -> None:
    events: list[Event] = []
    study.store.create_study("tiny", {}, {}, study.axes)
    baseline = study.evaluate(0, plan({"simple_cnn": {"width": 0.0625}}), None, events.append)
    assert baseline.state == "complete"
    assert any(isinstance(event, EpochDone) for event in events)
    events.clear()
    expected: Any = type("StructureTimings", (), {"measurements": {}})()
    result = study.evaluate(1, plan(spectral(module)), expected, events.append)
    assert result.state == "infeasible"
    assert result.reason is not None
    assert result.reason["stage"] == "deploy"
    assert "the network cannot be exported to ONNX" in result.reason["text"]
    assert not any(isinstance(event, EpochDone) for event in events)
    assert "pretrain" not in result.seconds


def test_baseline_that_cannot_be_exported_ends_the_run_before_training(
    study: StageStudy, module: str
) -> None:
    events: list[Event] = []
    with pytest.raises(UserError, match="the baseline fails in deploy: the network cannot be exp"):
        study.evaluate(0, plan(spectral(module)), None, events.append)
    assert not any(isinstance(event, EpochDone) for event in events)


def test_architecture_is_probed_once_for_all_its_plans(
    study: StageStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []
    real = initial_candidate

    def counted(architecture: Any, *arguments: Any, **options: Any) -> Any:
        built.append(architecture)
        return real(architecture, *arguments, **options)

    monkeypatch.setattr("paretune.search.building.first_weights.initial_candidate", counted)
    for width in (0.0625, 0.125, 0.0625):
        for epochs in (1, 2):
            study.workbench.pipeline.probe(plan({"simple_cnn": {"width": width}}, epochs), Watch())
    assert built == [{"simple_cnn": {"width": 0.0625}}, {"simple_cnn": {"width": 0.125}}]


def test_refusal_is_kept_for_one_process_only(
    study: StageStudy, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = plan(spectral(module))
    for _ in range(2):
        with pytest.raises(StageError, match="cannot be exported to ONNX") as caught:
            study.workbench.pipeline.probe(network, Watch())
        assert caught.value.infeasible
        monkeypatch.setattr(
            "paretune.search.building.first_weights.initial_candidate",
            lambda *_, **__: pytest.fail("exported again"),
        )
    monkeypatch.undo()
    with pytest.raises(StageError, match="cannot be exported to ONNX"):
        another = Pipeline(
            study.workbench.data, study.workbench.cache, network, seed=0, device="cpu"
        )
        another.probe(network, Watch())


def test_plan_that_trains_nothing_is_probed_too(study: StageStudy, module: str) -> None:
    with pytest.raises(StageError, match="cannot be exported to ONNX"):
        study.workbench.pipeline.probe(plan(spectral(module), epochs=0), Watch())


def test_plan_that_is_trained_already_is_not_probed(
    study: StageStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = study.workbench.pipeline
    trained = plan({"simple_cnn": {"width": 0.0625}})
    pipeline.candidate(trained, Watch())
    monkeypatch.setattr(ExportProbe, "check", lambda *_: pytest.fail("probed"))
    pipeline.probe(trained, Watch())


def test_reason_names_the_operator_and_the_line_of_forward(
    study: StageStudy, module: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StageError) as caught:
        study.workbench.pipeline.probe(plan(spectral(module)), Watch())
    reason = caught.value.text
    line = next(i for i, text in enumerate(NETS.splitlines(), 1) if "svdvals" in text)
    assert "svdvals is called at " in reason
    assert f"{module}.py:{line}: `return self.last(torch.linalg.svdvals(x[:, 0]))`" in reason
    assert "\n" not in reason
    log = Path(re.search(r"\(details: (.+)\)$", reason)[1])  # type: ignore[index]
    assert "UnsupportedOperatorError" in log.read_text()
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_network_that_cannot_be_built_is_left_to_the_stage_that_builds_it(
    study: StageStudy,
) -> None:
    watch = Watch()
    broken = plan({"python": {"factory": "no_such_module:Net", "args": {}}})
    study.workbench.pipeline.probe(broken, watch)
    with pytest.raises(StageError, match="no_such_module") as caught:
        study.workbench.pipeline.candidate(broken, watch)
    assert caught.value.stage == "pretrain"


@pytest.mark.slow
def test_search_continues_past_networks_that_cannot_be_exported(
    tiny: Path, module: str, cli: Any
) -> None:
    text = tiny.read_text().replace(
        "architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}",
        f"architecture: {{choice: [{{simple_cnn: {{width: 0.0625}}}}, "
        f'{{python: {{factory: "{module}:Spectral"}}}}]}}\n  pretrain: {{epochs: 1}}',
    )
    tiny.write_text(text)
    output = cli("run", tiny, "--trials", 6)
    assert output.code == 0, output.err
    with existing_store(load_study(tiny).storage) as store:
        trials = store.record().trials
    refused = [t for t in trials if "Spectral" in str(t.plan)]
    assert refused
    for trial in refused:
        assert trial.state == "infeasible"
        assert trial.reason is not None and trial.reason["stage"] == "deploy"


def test_slow_exporter_writes_the_first_network_of_each_kind_only(
    study: StageStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = RUNTIMES.get("torch_export")
    exported: list[Any] = []
    probed: list[Any] = []
    export, probe = runtime.export, runtime.probe

    def count_exports(*arguments: Any) -> Any:
        exported.append(arguments)
        return export(*arguments)

    def count_probes(*arguments: Any) -> Any:
        probed.append(arguments)
        return probe(*arguments)

    monkeypatch.setattr(runtime, "export", staticmethod(count_exports))
    monkeypatch.setattr(runtime, "probe", staticmethod(count_probes))
    for _ in range(2):
        for width in (0.0625, 0.125):
            made = plan({"simple_cnn": {"width": width}})
            deploy = Stage("deploy", {"runtime": {"torch_export": {"threads": 1}}})
            study.workbench.pipeline.probe(Plan((made.stages[0], deploy)), Watch())
    assert (len(exported), len(probed)) == (1, 1)


def test_changed_code_of_the_network_is_probed_again(
    study: StageStudy, module: str, tmp_path: Path
) -> None:
    first = _code_of({"python": {"factory": f"{module}:Spectral", "args": {}}})
    (tmp_path / f"{module}.py").write_text(NETS + "\n# changed\n")
    assert _code_of({"python": {"factory": f"{module}:Spectral", "args": {}}}) != first
    assert _code_of({"simple_cnn": {"width": 1.0}}) == ""
