"""Calibration images, and an export of a quantized network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

SHAPE = (1, 8, 8)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """16 images of noise."""
    return np.random.default_rng(1).normal(size=(16, *SHAPE)).astype(np.float32)


@pytest.fixture
def export(tmp_path: Path, images: np.ndarray) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """`export(model, quantization)` -> the .onnx file and its info; `images` calibrate it."""

    def write(model: nn.Module, quantization: Any = None) -> tuple[Path, dict[str, Any]]:
        path = tmp_path / "net.onnx"
        artifact = OnnxRuntime.export(model, SHAPE, path, quantization, iter([images]))
        return artifact.path, dict(artifact.info)

    return write
