"""Exported text networks: shared weights are stored once, and masked scores stay in float."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.inputs import Tokens
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.runtimes.torch_export import TorchExport
from paretune.objectives.runtimes.torchscript import TorchScript

LENGTH, VOCABULARY, WIDTH = 12, 40, 16


class MaskedNetwork(nn.Module):
    """Attends twice with the same weights; `mask` is added to the scores of padding."""

    def __init__(self, mask: float) -> None:
        super().__init__()
        self.mask = mask
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        mask = (ids == 0).float()[:, None, None, :] * self.mask
        x = self.tokens(ids)[:, None]
        for _ in range(2):
            x = x + functional.scaled_dot_product_attention(
                self.query(x), self.key(x), x, attn_mask=mask
            )
        return self.head(x[:, 0, 0])  # type: ignore[no-any-return]


@pytest.fixture
def ids() -> np.ndarray:
    """256 texts, each of two or more tokens followed by padding."""
    random = np.random.default_rng(0)
    ids = random.integers(1, VOCABULARY, (256, LENGTH))
    ids[np.arange(LENGTH) >= random.integers(2, LENGTH, (256, 1))] = 0
    return ids


def masked_network(mask: float = -1e4) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MaskedNetwork(mask).eval()


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


@pytest.mark.parametrize("runtime", [OnnxRuntime, TorchScript, TorchExport], ids=lambda r: r.name)
def test_runtime_takes_token_ids_of_any_batch(
    runtime: Any, ids: np.ndarray, tmp_path: Path
) -> None:
    model = masked_network()
    artifact = runtime.export(model, Tokens(LENGTH, VOCABULARY), tmp_path / f"m{runtime.suffix}")
    session = runtime.load(artifact.path, runtime.Params())
    for count in (1, 7):
        with torch.inference_mode():
            expected = model(torch.from_numpy(ids[:count])).numpy()
        assert np.allclose(session(ids[:count]), expected, atol=1e-5)


def test_onnx_input_is_int64_with_a_dynamic_batch(tmp_path: Path) -> None:
    artifact = OnnxRuntime.export(masked_network(), Tokens(LENGTH, VOCABULARY), tmp_path / "m.onnx")
    [source] = onnx.load(str(artifact.path)).graph.input
    assert (source.name, source.type.tensor_type.elem_type) == ("input", onnx.TensorProto.INT64)
    batch, length = source.type.tensor_type.shape.dim
    assert (batch.dim_param, length.dim_value) == ("batch", LENGTH)


def test_layer_applied_twice_is_quantized_twice_and_stored_once(tmp_path: Path) -> None:
    plain = OnnxRuntime.export(masked_network(), Tokens(LENGTH, VOCABULARY), tmp_path / "a.onnx")
    assert operators(plain.path)["Identity"] == 0
    small = OnnxRuntime.export(
        masked_network(),
        Tokens(LENGTH, VOCABULARY),
        tmp_path / "b.onnx",
        {"dynamic": {"per_channel": False}},
    )
    assert operators(small.path)["MatMulInteger"] == 5  # query and key twice, and the head
    weights = [t for t in onnx.load(str(small.path)).graph.initializer if len(t.dims) == 2]
    assert sorted(tuple(t.dims) for t in weights if t.data_type != onnx.TensorProto.FLOAT) == [
        (16, 3), (16, 16), (16, 16), (40, 16)
    ]  # fmt: skip


@pytest.mark.parametrize("mask", [-1e4, torch.finfo(torch.float32).min], ids=["1e4", "least"])
def test_static_int8_is_accurate_in_spite_of_a_mask(
    mask: float, ids: np.ndarray, tmp_path: Path
) -> None:
    model = masked_network(mask)
    options = {"images": 64, "calibration": "minmax", "per_channel": True}
    artifact = OnnxRuntime.export(
        model,
        Tokens(LENGTH, VOCABULARY),
        tmp_path / "m.onnx",
        {"static": options},
        iter([ids[:64]]),
    )
    session = OnnxRuntime.load(artifact.path, OnnxRuntime.Params())
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids)).numpy()
    error = np.abs(session(ids) - expected).mean() / expected.std()
    assert error < 0.05
    assert operators(artifact.path)["QuantizeLinear"] > 5
