"""16-bit files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnx_quantization.half_precision import _bfloat16
from paretune.objectives.runtimes.onnx_quantization.optimized_graph import float_layers
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime


@pytest.mark.parametrize(
    ("kind", "bits"), [("float16", 11), ("bfloat16", 8)], ids=["float16", "bfloat16"]
)
def test_weights_are_rounded_to_16_bits_and_computed_in_float(
    kind: str, bits: int, model: nn.Module, images: np.ndarray, export: Any
) -> None:
    path, info = export(model, {kind: {}})
    assert (info["stored"], info["computed"]) == (kind, "float32")
    session = OnnxRuntime.load(path, OnnxRuntime.Params())
    dtype = torch.float16 if kind == "float16" else torch.bfloat16
    for parameter in model.parameters():
        error = (parameter.to(dtype).float() - parameter).abs()
        half_a_unit_of_the_last_bit = parameter.abs() * 2.0**-bits + 2.0**-25
        assert (error <= half_a_unit_of_the_last_bit).all()
    assert np.allclose(session(images), model(torch.from_numpy(images)).detach(), atol=0.02)
    assert len(float_layers(path)) == 4


def test_bfloat16_is_rounded_as_in_torch() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(_bfloat16(values), expected)


def test_weight_too_large_for_float16_is_unmeasurable(model: nn.Module, export: Any) -> None:
    model.get_parameter("8.weight").data[0, 0] = 1e5
    with pytest.raises(Unmeasurable, match="has weights above 65504: no float16"):
        export(model, {"float16": {}})
