"""The deployments of a plan, and the runtime that it trains for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.study.deployment import (
    deployments,
    first_supporting,
    placement,
    rounding_runtime,
    unquantized,
)
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.spaces.base import Candidate


def plan_for(targets: dict[str, Any], quantization: str = "qat") -> Plan:
    first = {"architecture": {"simple_cnn": {}}, "checkpoint": None, "recipe": None}
    return Plan(
        (
            Stage("pretrain", first),
            Stage("quantize", {"quantization": {quantization: {}}}),
            Stage("deploy", {"targets": targets}),
        )
    )


TWO = {"b": {"torchscript": {}}, "a": {"onnxruntime": {"threads": 2}}}


def test_deployments_keep_the_order_of_the_targets_and_name_their_files() -> None:
    two = deployments(plan_for(TWO))

    assert [(deployment.target, deployment.name, deployment.suffix) for deployment in two] == [
        ("b", "torchscript", ".b.pt"),
        ("a", "onnxruntime", ".a.onnx"),
    ]
    assert two[1].options.threads == 2
    assert two[1].runtime is OnnxRuntime


def test_int8_is_trained_for_the_first_target_that_supports_it() -> None:
    plan = plan_for(TWO)

    assert first_supporting(deployments(plan), {"qat": {}}) == "onnxruntime"
    assert first_supporting(deployments(plan), {}) == "torchscript"
    assert first_supporting(deployments(plan_for({"b": {"torchscript": {}}})), {"qat": {}}) == (
        "torchscript"
    )
    assert rounding_runtime(plan) == "onnxruntime"


def test_teachers_plan_trains_for_no_runtime() -> None:
    first = plan_for(TWO).stages[0]

    assert rounding_runtime(Plan((first,))) is None


def test_unquantized_plan_has_no_quantize_stage() -> None:
    assert [stage.kind for stage in unquantized(plan_for(TWO)).stages] == ["pretrain", "deploy"]


def test_placement_comes_from_the_runtime_or_is_none() -> None:
    assert placement("onnxruntime") is OnnxRuntime.placement
    assert placement("torchscript") is None
    assert placement(None) is None


@pytest.mark.parametrize(("target", "formats"), [("a", {"qat": {}}), ("b", None)])
def test_candidate_is_marked_for_float_when_its_format_is_not_supported(
    target: str, formats: Any
) -> None:
    candidate = Candidate(torch.nn.Identity(), (1, 8, 8), 10, quantization={"qat": {}})
    deployment = next(item for item in deployments(plan_for(TWO)) if item.target == target)

    assert deployment.in_supported_format(candidate).quantization == formats
    assert candidate.quantization == {"qat": {}}
