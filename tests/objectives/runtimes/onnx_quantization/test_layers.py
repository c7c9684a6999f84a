"""Modules that nodes are named after."""

from __future__ import annotations

import pytest

from paretune.objectives.runtimes.onnx_quantization.layers import layer_of


@pytest.mark.parametrize(
    ("node", "module"),
    [
        ("/0/Conv", "0"),
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),
        ("/4/shortcut/shortcut.0/Conv", "4.shortcut.0"),
        ("/blocks.0/mlp/Gemm_1", "blocks.0.mlp"),
        ("/head/MatMul/MatMulAddFusion", "head"),
    ],
)
def test_layer_of_a_node_is_in_its_name(node: str, module: str) -> None:
    assert layer_of(node) == module
