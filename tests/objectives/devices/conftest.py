"""Networks to measure on a device."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from paretune.objectives.devices.messages import DeviceNetwork
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

SHAPE = (1, 8, 8)
OPTIONS = OnnxRuntime.Params().model_dump()


@pytest.fixture
def images() -> np.ndarray:
    """Five images of noise."""
    return np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)


@pytest.fixture
def network(model: nn.Module, images: np.ndarray, tmp_path: Path) -> DeviceNetwork:
    """A small network for ONNX Runtime."""
    artifact = OnnxRuntime.export(model, SHAPE, tmp_path / "network.onnx")
    return DeviceNetwork("onnxruntime", OPTIONS, artifact.path, artifact.sha256, (images[:1],))


@pytest.fixture
def broken(images: np.ndarray, tmp_path: Path) -> DeviceNetwork:
    """A file that no runtime can load."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no network")
    return DeviceNetwork("onnxruntime", OPTIONS, path, "", (images[:1],))
