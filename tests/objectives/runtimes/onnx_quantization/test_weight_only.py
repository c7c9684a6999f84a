"""Weight-only files."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_quantization.weight_only import pack_weights
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights_are_within_half_a_step(bits: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    values, scales = pack_weights(matrix, bits, block=16)
    assert values.shape == (3, 3, 16 * bits // 8)
    if bits == 4:
        values = np.stack([values & 15, values >> 4], axis=-1).reshape(3, 3, 16)
    unpacked = (values.astype(int) - 2 ** (bits - 1)) * scales.reshape(3, 3, 1)
    error = np.abs(unpacked.reshape(3, 48)[:, :40].T - matrix)
    steps = np.repeat(scales.reshape(3, 3), 16, axis=1)[:, :40].T
    assert (error <= steps / 2 + 1e-6).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_only_linear_layers_are_quantized(
    bits: int, model: nn.Module, images: np.ndarray, export: Any
) -> None:
    path, info = export(model, {"weight_only": {"bits": bits, "block": 16}})
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert kinds.count("MatMulNBits") == 2
    assert kinds.count("Conv") == 2
    assert info["layers"] == ["/8/Gemm", "/10/Gemm"]
    expected = model(torch.from_numpy(images)).detach().numpy()
    logits = OnnxRuntime.load(path, OnnxRuntime.Params())(images)
    tolerance = {4: 0.15, 8: 0.02}[bits] * (expected.max() - expected.min())
    assert np.abs(logits - expected).max() < tolerance


def test_network_without_linear_layers_is_unmeasurable(export: Any) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with pytest.raises(Unmeasurable, match="no linear layer has at least 16 inputs; convolutions"):
        export(model, {"weight_only": {"bits": 4, "block": 16}})
