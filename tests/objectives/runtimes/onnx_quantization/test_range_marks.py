"""Range marks: they are removed, and their ranges used."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper
from torch import nn

from paretune.objectives.runtimes.onnx_quantization.optimized_graph import float_layers
from paretune.objectives.runtimes.onnx_quantization.range_marks import strip_marks


class MarkedNetwork(nn.Module):
    """A convolution and a linear layer, with marks of fixed scales."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def mark(tensor: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
            return torch.fake_quantize_per_tensor_affine(tensor, scale, zero, 0, 255)

        features = mark(torch.relu(self.conv(mark(x, 0.0625, 128))), 0.03125, 0)
        return mark(self.linear(mark(features.mean((2, 3)), 0.015625, 0)), 0.125, 100)


def test_quantized_file_has_the_ranges_of_the_marks(export: Any) -> None:
    options = {"per_channel": True, "reduce_range": True}
    path, info = export(MarkedNetwork().eval(), {"qat": options})
    graph = onnx.load(str(path)).graph
    values = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    ranges = {
        (float(values[n.input[1]]), int(values[n.input[2]]))
        for n in graph.node
        if n.op_type == "QuantizeLinear"
    }
    assert {(0.0625, 128), (0.03125, 0), (0.125, 100)} <= ranges
    assert info["ranges"] >= 3
    assert float_layers(path) == []


def test_stripped_graph_runs_and_has_no_marks(images: np.ndarray, export: Any) -> None:
    path, _ = export(MarkedNetwork().eval())
    model, marks = strip_marks(onnx.load(str(path)))
    kinds = {node.op_type for node in model.graph.node}
    assert not {"QuantizeLinear", "DequantizeLinear"} & kinds
    assert sorted(marks.values()) == [(0.015625, 0), (0.03125, 0), (0.0625, 128), (0.125, 100)]
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(["logits"], {"input": images})[0].shape == (16, 3)
