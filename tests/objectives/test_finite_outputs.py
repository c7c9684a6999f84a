"""Outputs that are not finite are counted and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.accuracy import Accuracy
from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.finite_outputs import FiniteOutputs
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

MakeSubject = Callable[..., Subject]


def test_examples_with_an_output_that_is_not_finite_are_counted() -> None:
    outputs = FiniteOutputs("onnxruntime", "test")
    first = np.zeros((3, 2, 2))
    first[1, 0, 1] = np.nan
    first[1, 1, 1] = np.inf
    assert outputs.checked(first) is first
    outputs.checked(np.array([[1.0, 2.0], [-np.inf, 0.0]]))

    with pytest.raises(
        Unmeasurable,
        match=r"the outputs are not finite \(NaN or infinity\) for 2 of 5 test examples in "
        "onnxruntime",
    ):
        outputs.refuse()


def test_finite_outputs_are_not_refused() -> None:
    outputs = FiniteOutputs("onnxruntime", "test")
    outputs.checked(np.full((2, 3), 3e38, dtype=np.float32))
    outputs.checked(np.zeros((0, 3)))
    outputs.refuse()


class BreaksAbove(nn.Module):
    """A network with infinite logits for examples with a mean above a limit."""

    def __init__(self, network: nn.Module, limit: float) -> None:
        super().__init__()
        self.network, self.limit = network, limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        high = (x.mean((1, 2, 3)) > self.limit).float()[:, None]
        return self.network(x) + high * 3e38 * 10


@pytest.fixture
def subject_of(make_subject: MakeSubject, tmp_path: Path) -> MakeSubject:
    """`subject_of(data, network)` -> the deployed network."""

    def make(data: Any, network: nn.Module) -> Subject:
        artifact = OnnxRuntime.export(network.eval(), data.shape, tmp_path / "broken.onnx")
        return make_subject(data, artifact=artifact)

    return make


@pytest.mark.parametrize("statistic", ["top1", "balanced", "f1"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_accuracy_is_unmeasurable_for_a_network_of_nan(
    make_data: Callable[..., Any],
    subject_of: MakeSubject,
    model: nn.Module,
    statistic: str,
    part: str,
) -> None:
    model.get_parameter("0.weight").data.fill_(float("nan"))
    subject = subject_of(make_data(40), model)

    with pytest.raises(Unmeasurable, match=f"for 40 of 40 {part} examples in onnxruntime"):
        Accuracy.measure(subject, Accuracy.Params(statistic=statistic), part)


def test_accuracy_is_unmeasurable_if_one_example_overflows(
    make_data: Callable[..., Any], subject_of: MakeSubject, model: nn.Module
) -> None:
    data = make_data(300)
    means = np.sort(data.images.mean((1, 2, 3)))
    subject = subject_of(data, BreaksAbove(model, float(means[-2:].mean())))

    with pytest.raises(Unmeasurable, match=r"not finite .* for 1 of 300 validation examples"):
        Accuracy.measure(subject, Accuracy.Params(), "validation")
