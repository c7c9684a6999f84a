"""Objectives of networks with inputs and outputs of every form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.inputs import sizes
from paretune.nests import Nest
from paretune.objectives.activations import Activations
from paretune.objectives.base import Measurement, Subject
from paretune.objectives.latency import Latency
from paretune.objectives.macs import Macs
from paretune.objectives.memory import Memory
from paretune.objectives.profiling.eager_profile import eager_times
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.objectives.profiling.onnx_profile import onnx_times
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.throughput import Throughput
from paretune.objectives.timing.inputs import validation_batch
from paretune.objectives.timing.reference_networks import NAMES, reference_inputs
from paretune.spaces.macs import macs_by_module
from support.nested_networks import CASES, VARIED, NestedCase

ALL = CASES | VARIED

MACS = {
    "features": 13 * 16 + 16 * 2,
    "series": 10 * 2 * 8 * 3,
    "image": 4 * 4 * 3 * 8 * 9 + 8 * 4,
    "tokens": 48 * 16 + 16 * 3,
    "bytes": 20 * 2,
    "nested outputs": 13 * 16 + 16 * (4 + 2 + 3),
    "tuples": 4 * 4 * 3 * 8 * 9 + 12 * (4 + 5),
    "dicts": 16 * 32 + 32 * 3,
    "image of any size": 4 * 4 * 3 * 8 * 9 + 8 * 4,
    "masks of any size": 4 * 4 * 3 * 8 * 9 + 8 * 8 * 8 * 2 + 8 * 4,
    "texts of any length": 16 * 32 + 32 * 3,
}
"""Multiply-adds of each network, counted by hand."""


class Data:
    """Random inputs of a network in batches of 3, whatever size is asked for."""

    def __init__(self, case: NestedCase) -> None:
        self.shape = case.shape
        self._case = case

    def size(self, part: str) -> int:
        return 6

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Nest, Any]]:
        for seed in (0, 1):
            yield self._case.inputs(3, seed), np.zeros(3)


def subject_of(case: NestedCase, folder: Path) -> Subject:
    model = case.network()
    artifact = OnnxRuntime.export(model, case.shape, folder / "net.onnx")
    data: Any = Data(case)
    return Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), model, data)


@pytest.mark.parametrize("kind", ALL)
def test_latency_is_timed_with_references_for_every_kind_of_input(
    kind: str, tmp_path: Path
) -> None:
    case = ALL[kind]
    subject = subject_of(case, tmp_path)
    measured = Latency.measure(subject, Latency.Params(seconds=0.02, batch=4), "validation")
    assert measured.value > 0
    assert measured.conditions["shape"] == sizes(case.shape)
    assert measured.conditions["references"]["networks"] == list(NAMES)
    assert measured.conditions["references"]["why_none"] is None


@pytest.mark.parametrize("kind", ALL)
def test_multiply_adds_are_those_counted_by_hand(kind: str, tmp_path: Path) -> None:
    case = ALL[kind]
    model = case.network()
    data: Any = Data(case)
    nothing: Any = None
    subject = Subject(nothing, nothing, nothing, model, data)
    macs = Macs.measure(subject, Macs.Params(), "validation")
    assert macs.value == MACS[kind]
    assert macs.conditions["without_rule"] == {}
    assert sum(layer.macs for layer in layer_costs(model, case.shape)) == MACS[kind]
    assert macs_by_module(model, case.shape)[""] == MACS[kind]
    values: list[Measurement] = Activations.measure(subject, Activations.Params(), "validation")
    assert values[0].value > 0


@pytest.mark.parametrize("kind", ["tuples", "dicts"])
def test_throughput_and_memory_run_networks_with_several_inputs(kind: str, tmp_path: Path) -> None:
    subject = subject_of(CASES[kind], tmp_path)
    rate = Throughput.measure(subject, Throughput.Params(seconds=0.05, batch=5), "validation")
    assert rate.value > 0
    used = Memory.measure(subject, Memory.Params(repeats=2), "validation")
    assert used.value >= 0 and used.conditions["shape"] == sizes(CASES[kind].shape)


@pytest.mark.parametrize("kind", ["tuples", "dicts", "masks of any size"])
def test_profiles_divide_the_time_of_networks_with_several_inputs(
    kind: str, tmp_path: Path
) -> None:
    case = ALL[kind]
    subject = subject_of(case, tmp_path)
    inputs = validation_batch(subject.data, 2)
    modules = {path for path, _ in subject.model.named_modules()}
    times = onnx_times(subject.artifact.path, subject.options, inputs, modules, seconds=0.05)
    products = {part.path for part in times.parts if part.operator.endswith(("Conv", "Gemm"))}
    assert products and products <= modules - {""}
    assert times.batch == 2
    eager = eager_times(subject.model, case.inputs(2), seconds=0.05)
    assert eager.batch == 2 and {part.path for part in eager.parts} & products


def test_reference_networks_take_images_where_the_study_has_other_inputs() -> None:
    for kind, case in ALL.items():
        inputs = reference_inputs(case.shape, 2)
        if kind in ("image", "image of any size", "tokens"):
            assert inputs is None
        else:
            assert inputs is not None and [x.shape for x in inputs] == [(2, 3, 32, 32)]
