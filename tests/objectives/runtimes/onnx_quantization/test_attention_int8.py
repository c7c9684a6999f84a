"""Transformers in int8: every matrix product runs in 8 bits, also those in attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.inputs import Shape, Tokens
from paretune.objectives.runtimes.onnx_quantization.optimized_graph import (
    float_layers,
    load_optimized,
)
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization.qat import Qat
from paretune.spaces.quantization.static import Static
from paretune.spaces.rebuild import initial_candidate
from support.tasks import classification

IMAGE, TEXT, CLASSES = (1, 8, 8), Tokens(12, 50), 3
SMALL = {"depth": 1, "heads": 2, "width": 32}

NETWORKS: list[Any] = [
    pytest.param({"vit": {"patch": 2, "pool": "mean", **SMALL}}, IMAGE, 0, id="vit"),
    pytest.param({"vit": {"patch": 4, "pool": "token", **SMALL}}, IMAGE, 0, id="vit with token"),
    pytest.param(
        {"text_transformer": {"layers": 1, "width": 32, "heads": 2}}, TEXT, 1, id="text_transformer"
    ),
    pytest.param(
        {
            "text_transformer": {
                "layers": 2,
                "width": 32,
                "heads": 2,
                "share": "all",
                "embedding": 8,
            }
        },
        TEXT,
        2,
        id="albert",
    ),
]
"""Architecture, input shape, and how many softmaxes stay in float because of a mask."""


class Noise:
    """32 random inputs; half of the texts end in padding."""

    fingerprint, task, loader_batch = "noise", classification(CLASSES), None

    def __init__(self, shape: Shape) -> None:
        generator = torch.Generator().manual_seed(0)
        self.shape = shape
        if len(shape) == 3:
            self.inputs = torch.randn(32, *shape, generator=generator)
        else:
            length, vocabulary = shape
            self.inputs = torch.randint(1, vocabulary, (32, length), generator=generator)
            self.inputs[::2, length // 2 :] = 0
        self.labels = torch.arange(32) % CLASSES

    def size(self, part: str) -> int:
        return len(self.labels)

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        return torch.arange(len(self.labels))

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield from zip(self.inputs.split(batch_size), self.labels.split(batch_size), strict=True)

    def black(self) -> tuple[float, ...]:
        return (0.0,) * (len(self.shape) == 3)

    def white(self) -> tuple[float, ...]:
        return (1.0,) * (len(self.shape) == 3)


def check_runs_in_int8(
    candidate: Candidate, inputs: torch.Tensor, masked: int, folder: Path
) -> None:
    """Checks that only masked softmaxes run in float, and that the logits are near the model's."""
    calibration = iter([inputs.numpy()])
    artifact = OnnxRuntime.export(
        candidate.model, candidate.shape, folder / "m.onnx", candidate.quantization, calibration
    )
    assert float_layers(artifact.path) == []
    kinds = Counter(node.op_type for node in load_optimized(artifact.path).graph.node)
    assert kinds["Softmax"] == masked
    assert kinds["QLinearMatMul"] >= 2, "attention's products"
    logits = OnnxRuntime.load(artifact.path, OnnxRuntime.Params())(inputs.numpy())
    with torch.inference_mode():
        expected = candidate.model(inputs).numpy()
    assert np.abs(logits - expected).max() <= 0.1 * (expected.max() - expected.min())


@pytest.mark.parametrize(("architecture", "shape", "masked"), NETWORKS)
def test_no_product_of_a_calibrated_transformer_runs_in_float(
    architecture: dict[str, Any], shape: Shape, masked: int, tmp_path: Path
) -> None:
    data = Noise(shape)
    network = initial_candidate(architecture, shape, CLASSES, seed=0)
    quantized = Static.apply(network, Static.Params(images=32), Context(data))
    check_runs_in_int8(quantized, data.inputs, masked, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "shape", "masked"), NETWORKS)
def test_no_product_of_a_transformer_trained_in_int8_runs_in_float(
    architecture: dict[str, Any], shape: Shape, masked: int, tmp_path: Path
) -> None:
    """Tensors that training could not simulate are listed, and calibrated."""
    data = Noise(shape)
    network = initial_candidate(architecture, shape, CLASSES, seed=0)
    context = Context(data, placement=OnnxRuntime.placement)
    trained = Qat.apply(network, Qat.Params(epochs=1, images=32), context)
    info = trained.history[-1].info
    linear = [n for n, m in network.model.named_modules() if isinstance(m, torch.nn.Linear)]
    assert set(linear) <= set(info["layers"])
    assert any("Softmax" in name or "MatMul" in name for name in info["hidden"])
    check_runs_in_int8(trained, data.inputs, masked, tmp_path)
