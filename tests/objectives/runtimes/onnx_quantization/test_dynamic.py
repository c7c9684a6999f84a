"""Dynamic int8 files."""

from __future__ import annotations

from typing import Any

import onnx
from torch import nn


def test_layer_kept_in_float_is_not_quantized(model: nn.Module, export: Any) -> None:
    options = {"per_channel": False, "reduce_range": False, "kept": ["4"]}
    path, _ = export(model, {"dynamic": options})
    kinds = [node.op_type for node in onnx.load(str(path)).graph.node]
    assert kinds.count("ConvInteger") == 1
    assert kinds.count("Conv") == 1
