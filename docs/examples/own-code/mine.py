"""Your own code in a study: data, network, technique and objective. See docs/own-code.md."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field
from sklearn.datasets import load_digits
from torch import nn

from paretune.objectives.base import Measurement, Subject, measurement
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.params import Params


def digits(smallest: int = 0) -> dict[str, np.ndarray]:
    """Returns images uint8 [N, 8, 8] and labels; Paretune splits off validation and test."""
    images, labels = load_digits(return_X_y=True)
    keep = labels >= smallest
    return {
        "x_train": (images[keep].reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8),
        "y_train": labels[keep] - smallest,
    }


def network(classes: int, shape: tuple[int, int, int], width: int = 16) -> nn.Module:
    """Returns a network: images [B, C, H, W] -> logits [B, classes]."""
    return nn.Sequential(
        nn.Conv2d(shape[0], width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, classes),
    )


class Threshold:
    """Sets weights to zero that are small relative to the standard deviation of their layer."""

    name = "threshold"
    version = 1

    class Params(Params):
        """Options of threshold."""

        factor: float = Field(0.5, ge=0, le=3, description="smallest |weight| / deviation to keep")

    @staticmethod
    def apply(candidate: Candidate, params: Threshold.Params, context: Context) -> Candidate:
        """Returns a pruned copy; weights that `info` lists as zeros stay zero in finetuning."""
        model = copy.deepcopy(candidate.model)
        zeros = {}
        for name, module in model.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                weight = module.weight.data
                weight[weight.abs() < params.factor * weight.std()] = 0
                zeros[f"{name}.weight"] = [int((weight == 0).sum()), weight.numel()]
        if not zeros:
            raise InfeasibleCandidate("threshold needs a convolution or a linear layer")
        step = Step(Threshold.name, params.model_dump(), {"zeros": zeros})
        return candidate.with_step(model, step)

    @staticmethod
    def rebuild(
        model: nn.Module, params: Threshold.Params, info: Mapping[str, Any], shape: Any
    ) -> nn.Module:
        """Returns the model itself: no shape changed."""
        return model


class NoisyAccuracy:
    """Share of correctly classified images under Gaussian noise."""

    name = "noisy_accuracy"
    unit = "fraction"
    better = "higher"
    cost = 3  # it needs a trained network

    class Params(Params):
        """Options of noisy_accuracy."""

        deviation: float = Field(0.5, gt=0, le=5, description="of the noise, in normalized values")

    @staticmethod
    def measure(subject: Subject, params: NoisyAccuracy.Params, part: str) -> Measurement:
        """Runs the deployed file on a data part: "validation", or "test" at the end."""
        run = subject.runtime.load(subject.artifact.path, subject.options)
        random = np.random.default_rng(0)
        correct = count = 0
        for images, labels in subject.data.arrays(part, 256):
            noise = random.normal(0, params.deviation, images.shape).astype(np.float32)
            correct += int((run(images + noise).argmax(1) == labels).sum())
            count += len(labels)
        share = correct / count
        half = 1.96 * float(np.sqrt(share * (1 - share) / count))
        interval = (max(0.0, share - half), min(1.0, share + half))
        conditions = {"part": part, "deviation": params.deviation}
        return measurement(NoisyAccuracy, share, interval, count, conditions)
