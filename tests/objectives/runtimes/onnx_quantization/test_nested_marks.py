"""Quantization-aware training of a network with two inputs: placement, and its int8 file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from paretune.inputs import Input, Signature, random_example
from paretune.nests import mapped
from paretune.objectives.predictor import Predictor
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

SHAPE = Signature((Input("image", (3, 8, 8)), Input("extra", (4,))), "dict")

OPTIONS = {"images": 8, "per_channel": True, "reduce_range": True}


class Marked(nn.Module):
    """A network with a fake quantization after every activation.

    Args:
        scales: Scale of each of the five.
        zero: Their zero point.
    """

    def __init__(self, scales: list[float], zero: int = 0) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 8, 3)
        self.boxes, self.scores = nn.Linear(12, 4), nn.Linear(12, 2)
        self._scales, self._zero = scales, zero

    def _mark(self, x: torch.Tensor, number: int) -> torch.Tensor:
        scale = self._scales[number - 1]
        return torch.fake_quantize_per_tensor_affine(x, scale, self._zero, 0, 255)

    def forward(self, image: torch.Tensor, extra: torch.Tensor) -> dict[str, Any]:
        image, extra = self._mark(image, 1), self._mark(extra, 2)
        x = self._mark(torch.relu(self.features(image)), 3)
        x = torch.cat([x.flatten(2).amax(2), extra], dim=1)
        return {"boxes": self._mark(self.boxes(x), 4), "heads": [self._mark(self.scores(x), 5)]}


def marked(scales: list[float], zero: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Marked(scales, zero).eval()


def test_placement_numbers_the_activations_that_are_rounded() -> None:
    placement = OnnxRuntime.placement(marked([1.0, 2.0, 3.0, 4.0, 5.0]), SHAPE, OPTIONS)
    assert sorted(number for group in placement["groups"] for number in group) == [1, 2, 3, 4, 5]


def test_file_of_a_marked_network_rounds_with_its_ranges(tmp_path: Path) -> None:
    model = marked([0.03] * 5, zero=128)
    batches = [mapped(random_example(SHAPE, 4, seed), lambda x: x.numpy()) for seed in (1, 2)]
    path = tmp_path / "net.onnx"
    artifact = OnnxRuntime.export(model, SHAPE, path, {"qat": OPTIONS}, iter(batches))
    assert artifact.info["ranges"] >= 4
    predict = Predictor.of(OnnxRuntime.load(path, OnnxRuntime.Params()), SHAPE, artifact)
    outputs = predict(batches[0])
    with torch.inference_mode():
        expected = model(**mapped(batches[0], torch.from_numpy))
    for output, wanted in (
        (outputs["boxes"], expected["boxes"]),
        (outputs["heads"][0], expected["heads"][0]),
    ):
        assert np.abs(output - wanted.numpy()).max() < 0.1
