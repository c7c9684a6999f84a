"""Profiles in each runtime: parts add up, and the heaviest layer takes most of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.profiling.base import NetworkPart, Times, shares
from paretune.objectives.profiling.eager_profile import eager_times
from paretune.objectives.profiling.onnx_profile import onnx_times
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

QUANTIZATIONS = pytest.mark.parametrize(
    "quantization", [None, {"static": {"per_channel": True}}], ids=["float", "static"]
)


def check_heaviest(times: Times) -> None:
    """Checks that the layer "heavy" takes most of the time, and that the parts add up."""
    by_layer = times.by_layer()
    assert max(by_layer, key=by_layer.__getitem__) == "heavy"
    assert sum(shares(by_layer).values()) == pytest.approx(1)
    assert sum(shares(times.by_operator()).values()) == pytest.approx(1)
    assert sum(by_layer.values()) == pytest.approx(times.total)
    assert times.runs >= 6 and times.unprofiled > 0 and times.between >= 0


@QUANTIZATIONS
def test_onnx_profile_names_the_heaviest_layer(
    quantization: dict[str, Any] | None, make_network: Any, make_inputs: Any, export: Any
) -> None:
    model, shape = make_network("dominated")
    path = export(model, shape, quantization)
    modules = {n for n, _ in model.named_modules()}
    times = onnx_times(path, OnnxRuntime.Params(), [make_inputs(shape)], modules, seconds=0.5)
    check_heaviest(times)


@pytest.mark.heavy
@QUANTIZATIONS
def test_openvino_profile_names_the_heaviest_layer(
    quantization: dict[str, Any] | None, make_network: Any, make_inputs: Any, export: Any
) -> None:
    pytest.importorskip("openvino")
    from paretune.objectives.profiling.openvino_profile import openvino_times
    from paretune.objectives.runtimes.openvino import OpenVino

    model, shape = make_network("dominated")
    path = export(model, shape, quantization)
    modules = {n for n, _ in model.named_modules()}
    times = openvino_times(path, OpenVino.Params(), [make_inputs(shape)], modules, seconds=0.5)
    check_heaviest(times)
    assert times.by_layer()["head"] > 0, "the last node has the name of the output"


def test_eager_profile_names_the_heaviest_layer(make_network: Any, make_inputs: Any) -> None:
    model, shape = make_network("dominated")
    times = eager_times(model, make_inputs(shape), seconds=0.5)
    check_heaviest(times)
    assert max(times.by_operator(), key=times.by_operator().__getitem__) == "conv2d"


def test_eager_profile_restores_torch_s_threads() -> None:
    before = torch.get_num_threads()
    eager_times(nn.Linear(2, 2), np.zeros((1, 2), np.float32), threads=2, seconds=0)
    assert torch.get_num_threads() == before


def test_time_outside_of_layers_does_not_include_profiling() -> None:
    parts = (NetworkPart("a", "Conv", 3.0),)
    assert Times("x", parts, between=2.0, unprofiled=4.0, profiled=5.0, runs=1).outside == 1.0
    assert Times("x", parts, between=0.5, unprofiled=4.0, profiled=3.5, runs=1).outside == 0.5
    assert Times("x", parts, between=0.5, unprofiled=2.0, profiled=3.5, runs=1).outside == 0.0
    assert Times("x", parts, between=2.0, unprofiled=4.0, profiled=5.0, runs=1).overhead == 0.25


def test_shares_are_0_when_there_is_nothing_to_share() -> None:
    assert shares({"a": 0.0}) == {"a": 0.0}
