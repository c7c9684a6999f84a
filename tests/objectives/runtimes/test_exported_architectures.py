"""Every architecture exports to ONNX Runtime and has the same logits there, for any batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.architecture.network import build_network

FAMILIES: list[dict[str, Any]] = [
    {"resnet": {"blocks": [1, 2], "block": "bottleneck", "width": 8, "shortcut": "padding"}},
    {"resnet": {"blocks": 1, "width": 8, "stem": "standard"}},
    {"mobilenet_v1": {"width": 0.125}},
    {"mobilenet_v2": {"width": 0.25}},
    {"mobilenet_v3": {"width": 0.5}},
    {"efficientnet": {"width": 0.25, "depth": 0.25}},
    {"efficientnet": {"phi": -3.0}},
    {"shufflenet_v2": {"width": 0.5}},
    {"squeezenet": {"width": 0.25}},
    {"regnet": {"depth": 6, "w_0": 16, "w_a": 8.0, "w_m": 2.0}},
    {"vit": {"depth": 2, "width": 24}},
    {"vit": {"depth": 2, "width": 24, "pool": "token", "resolution": 24, "patch": 8}},
    {"staged": {}},
    {"timm": {"name": "test_vit"}},
    {"simple_cnn": {"width": 0.25, "resolution": 12}},
]


@pytest.mark.parametrize("architecture", FAMILIES, ids=str)
def test_artifact_has_the_network_s_logits(architecture: dict[str, Any], tmp_path: Path) -> None:
    shape = (3, 32, 32)
    network = with_varied_logits(build_network(architecture, shape, 5, seed=0))
    artifact = OnnxRuntime.export(network, shape, tmp_path / "model.onnx")
    session = OnnxRuntime.load(artifact.path, OnnxRuntime.Params())
    for batch in (1, 5):
        images = torch.rand(batch, *shape, generator=torch.Generator().manual_seed(batch))
        with torch.inference_mode():
            expected = network(images).numpy()
        np.testing.assert_allclose(session(images.numpy()), expected, rtol=1e-4, atol=1e-4)
        assert np.ptp(expected) > 1e-3  # the logits differ


def with_varied_logits(network: torch.nn.Module) -> torch.nn.Module:
    """Returns the network with running statistics as after training, and random last weights."""
    last = [m for m in network.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)][-1]
    torch.manual_seed(0)
    last.reset_parameters()
    network.train()
    with torch.no_grad():
        for seed in range(3):
            network(torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed)))
    return network.eval()
