"""Quantization from plan to file: what a network simulates, and what its file answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from paretune.objectives.runtimes.onnx_quantization.optimized_graph import float_layers
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.building.watch import StageError, Watch
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.spaces.base import Candidate
from paretune.spaces.training.recipe import Recipe

CNN = {"simple_cnn": {"width": 0.125}}
RECIPE = Recipe.model_validate({"epochs": 3, "optimizer": {"adam": {"lr": 3e-3}}}).model_dump()
PRETRAIN = {"checkpoint": None, "recipe": RECIPE}
QAT = {"qat": {"epochs": 1, "images": 128}}
DEPLOY = Stage("deploy", {"runtime": {"onnxruntime": {"provider": "cpu", "threads": 1}}})


def plan(quantization: dict[str, Any], architecture: Any = CNN, *between: Stage) -> Plan:
    first = Stage("pretrain", {"architecture": architecture, **PRETRAIN})
    return Plan((first, *between, Stage("quantize", {"quantization": quantization}), DEPLOY))


@pytest.fixture
def study(tiny: Path) -> Iterator[StageStudy]:
    open_study = StageStudy(load_study(tiny))
    yield open_study
    open_study.close()


def deployed(study: StageStudy, plan_: Plan, folder: Path) -> tuple[Candidate, Path]:
    candidate = study.workbench.pipeline.candidate(plan_, Watch())
    return candidate, study.workbench.pipeline.deploy(
        plan_, candidate, folder / "m.onnx", Watch()
    ).path


def answers(study: StageStudy, candidate: Candidate, file: Path) -> tuple[np.ndarray, ...]:
    """Returns the logits of network and file on all test images, and the labels."""
    [(inputs, labels)] = study.workbench.data.arrays("test", 10_000)
    with torch.inference_mode():
        simulated = candidate.model(torch.from_numpy(inputs)).numpy()
    return simulated, OnnxRuntime.load(file, OnnxRuntime.Params())(inputs), labels


@pytest.mark.parametrize(
    ("architecture", "alike"),
    [
        (CNN, 0.99),
        pytest.param({"resnet": {"blocks": 1, "width": 8}}, 0.99, marks=pytest.mark.slow),
        pytest.param(
            {"vit": {"patch": 2, "depth": 1, "heads": 2, "width": 32}}, 0.97, marks=pytest.mark.slow
        ),
    ],
    ids=["simple_cnn", "resnet", "vit"],
)
def test_qat_network_gives_the_simulated_outputs_in_int8(
    architecture: dict[str, Any], alike: float, study: StageStudy, tmp_path: Path
) -> None:
    """Inside of attention the file rounds what the simulation does not: there it is less exact."""
    well = Recipe.model_validate({**RECIPE, "epochs": 12}).model_dump()
    network = {"architecture": architecture, "checkpoint": None, "recipe": well}
    stages = (Stage("pretrain", network), *plan(QAT).stages[1:])
    candidate, file = deployed(study, Plan(stages), tmp_path)
    assert float_layers(file) == []
    simulated, runs, labels = answers(study, candidate, file)
    assert (simulated.argmax(1) == runs.argmax(1)).mean() >= alike
    hits = [(logits.argmax(1) == labels).mean() for logits in (simulated, runs)]
    assert hits[0] > 0.7, "it has learnt something"
    assert abs(hits[0] - hits[1]) <= (1 - alike) / 2


@pytest.mark.parametrize("keep", [0, 1])
def test_qat_stage_from_the_cache_equals_the_trained_one(keep: int, study: StageStudy) -> None:
    """The cached stage has the same weights and ranges, and rounds alike."""
    quantization = {"qat": {**QAT["qat"], "keep_float": keep}}
    first = study.workbench.pipeline.candidate(plan(quantization), Watch())
    watch = Watch()
    second = study.workbench.pipeline.candidate(plan(quantization), watch)
    assert watch.cached == ["pretrain", "quantize"]
    assert first.history == second.history
    assert first.quantization == second.quantization
    mine, other = first.model.state_dict(), second.model.state_dict()
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[name], other[name]) for name in mine)
    [(inputs, _)] = study.workbench.data.arrays("test", 10_000)
    with torch.inference_mode():
        images = torch.from_numpy(inputs)
        assert torch.equal(first.model(images), second.model(images))


def test_layers_kept_in_float_are_the_only_float_ones_in_the_file(
    study: StageStudy, tmp_path: Path
) -> None:
    quantization = {"qat": {**QAT["qat"], "keep_float": 2}}
    candidate, file = deployed(study, plan(quantization), tmp_path)
    assert candidate.quantization is not None
    assert len(candidate.quantization["qat"]["kept"]) == 2
    assert len(float_layers(file)) == 2
    simulated, runs, _ = answers(study, candidate, file)
    assert (simulated.argmax(1) == runs.argmax(1)).mean() >= 0.99


def test_zeros_of_pruning_are_zeros_of_the_int8_file(study: StageStudy, tmp_path: Path) -> None:
    prune = Stage("prune", {"pruning": {"unstructured": {"ratio": 0.75}}})
    _, file = deployed(study, plan(QAT, CNN, prune), tmp_path)
    weights = [
        numpy_helper.to_array(tensor)
        for tensor in onnx.load(str(file)).graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert len(weights) == 4
    assert all((weight == 0).mean() >= 0.74 for weight in weights)


def test_qat_learns_from_a_teacher_when_its_stage_names_a_distillation(study: StageStudy) -> None:
    alone = plan(QAT)
    lesson = {"quantization": QAT, "distillation": {"logits": {"alpha": 0.9}}}
    taught = Plan((alone.stages[0], Stage("quantize", lesson), DEPLOY))
    watch = Watch()
    after = study.workbench.pipeline.candidate(taught, watch)
    assert {"pretrain", "teacher", "quantize"} <= set(watch.seconds)
    before = study.workbench.pipeline.candidate(alone, Watch())
    first, second = after.model.state_dict(), before.model.state_dict()
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_weight_only_is_refused_before_training_when_linear_layers_hold_few_weights(
    study: StageStudy,
) -> None:
    """The check needs neither a cached stage nor an epoch."""
    epochs: list[int] = []
    watch = Watch(epoch=lambda event: epochs.append(event.epoch))
    resnet = {"resnet": {"blocks": 1, "width": 8}}
    reason = r"weight_only int4: linear layers with at least 32 inputs hold \d\.\d% of the weights"
    with pytest.raises(StageError, match=reason) as caught:
        study.workbench.pipeline.candidate(plan({"weight_only": {"bits": 4}}, resnet), watch)
    assert (caught.value.stage, caught.value.infeasible) == ("quantize", True)
    assert epochs == []
    assert not list(study.spec.folder.rglob("*.safetensors"))
