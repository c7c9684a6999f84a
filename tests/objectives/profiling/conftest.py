"""Networks to profile, and their exported files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.inputs import Shape, Tokens
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.architecture.network import build_network

IMAGES: Shape = (3, 32, 32)
TEXTS: Shape = Tokens(16, 100)

NETWORKS: dict[str, tuple[dict[str, Any], Shape]] = {
    "simple_cnn": ({"simple_cnn": {"width": 0.25}}, IMAGES),
    "mobilenet_v2": ({"torchvision": {"name": "mobilenet_v2"}}, IMAGES),
    "resnet": ({"resnet": {"blocks": 1, "width": 8}}, IMAGES),
    "vit": ({"vit": {"depth": 1, "width": 48}}, IMAGES),
    "text": ({"text_transformer": {"layers": 2, "width": 32, "heads": 2}}, TEXTS),
    "shared": ({"text_transformer": {"layers": 2, "width": 32, "share": "all"}}, TEXTS),
}


class Dominated(nn.Module):
    """A network in which one convolution does 99 % of the multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 64, 1)
        self.heavy = nn.Conv2d(64, 64, 7, padding=3)
        self.norm = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = torch.relu(self.norm(self.heavy(x)) + x)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def make_network() -> Callable[[str], tuple[nn.Module, Shape]]:
    """`make_network(name)` -> a network and the shape of its inputs."""

    def make(name: str) -> tuple[nn.Module, Shape]:
        if name == "torchvision_vit":
            from torchvision.models import VisionTransformer

            return VisionTransformer(32, 16, 1, 2, 32, 64, num_classes=10).eval(), IMAGES
        if name == "dominated":
            return Dominated().eval(), IMAGES
        architecture, shape = NETWORKS[name]
        return build_network(architecture, shape, 10, seed=0), shape

    return make


@pytest.fixture
def make_inputs() -> Callable[[Shape], np.ndarray]:
    """`make_inputs(shape)` -> one random input, as a batch."""

    def make(shape: Shape) -> np.ndarray:
        random = np.random.default_rng(0)
        if len(shape) == 3:
            return random.normal(size=(1, *shape)).astype(np.float32)
        return random.integers(1, shape[1], (1, shape[0]))

    return make


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """`export(model, shape, quantization)` -> its .onnx file."""

    def write(model: nn.Module, shape: Shape, quantization: dict[str, Any] | None = None) -> Path:
        def calibration() -> Iterator[np.ndarray]:
            yield np.random.default_rng(1).normal(size=(8, *shape)).astype(np.float32)

        path = tmp_path / "net.onnx"
        OnnxRuntime.export(model, shape, path, quantization, calibration())
        return path

    return write
