"""Published ResNets for CIFAR-10, as Paretune's `resnet`, for the pruning and int8 benchmarks.

The weights are Yerlan Idelbayev's pytorch_resnet_cifar10, resnet20 and resnet56 (91.73 % and
93.39 % top-1), as .safetensors with the keys conv1, bn1, layer{1,2,3}.{k}.*, linear. `python
published_weights.py WEIGHTS CIFAR10.npz` measures them on the test images.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from paretune.spaces.architecture.checkpoint import load_checkpoint
from paretune.spaces.base import Candidate
from paretune.spaces.rebuild import initial_candidate

SHAPE, CLASSES = (3, 32, 32), 10

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of the training images, for RGB in [0, 1]."""


def published_resnet(path: Path) -> Candidate:
    """Returns the network of a weights file, with as many blocks as the file has."""
    weights = load_checkpoint(path)
    blocks = len({key.split(".")[1] for key in weights if key.startswith("layer1.")})
    architecture = {"resnet": {"blocks": blocks, "shortcut": "padding"}}
    candidate = initial_candidate(architecture, SHAPE, CLASSES, seed=0)
    candidate.model.load_state_dict(renamed(weights, blocks))
    candidate.model.eval()
    return candidate


def renamed(weights: Mapping[str, torch.Tensor], blocks: int) -> dict[str, torch.Tensor]:
    """Returns the weights under the keys of Paretune's `resnet` (stem 0 and 1, blocks from 3)."""
    tensors: dict[str, torch.Tensor] = {}
    for key, value in weights.items():
        head, _, rest = key.partition(".")
        if head.startswith("layer"):
            block, _, rest = rest.partition(".")
            index = 3 + (int(head[5:]) - 1) * blocks + int(block)
        else:  # the head follows the pooling and the flattening
            index = {"conv1": 0, "bn1": 1, "linear": 3 + 3 * blocks + 2}[head]
        tensors[f"{index}.{rest}"] = value
        if rest.endswith("running_mean"):
            counter = rest.replace("running_mean", "num_batches_tracked")
            tensors[f"{index}.{counter}"] = torch.tensor(0)  # the files lack it
    return tensors


def normalized(images: np.ndarray) -> torch.Tensor:
    """Normalizes uint8 [B, 32, 32, 3] or [B, 3, 32, 32] as in training; float32 [B, 3, 32, 32]."""
    pixels = torch.from_numpy(images).float() / 255
    if pixels.shape[-1] == 3:
        pixels = pixels.permute(0, 3, 1, 2)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pixels - mean) / std


def accuracy(model: torch.nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Returns the top-1 accuracy in [0, 1]."""
    right = 0
    with torch.inference_mode():
        for begin in range(0, len(images), 250):
            logits = model(normalized(images[begin : begin + 250]))
            right += int((logits.argmax(1).numpy() == labels[begin : begin + 250]).sum())
    return right / len(images)


def main() -> None:
    """Prints the accuracy of a weights file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("cifar10", type=Path)
    options = parser.parse_args()
    data = np.load(options.cifar10)
    top1 = accuracy(published_resnet(options.weights).model, data["x_test"], data["y_test"])
    print(f"{options.weights.stem}: {100 * top1:.2f} % of {len(data['y_test'])} test images")


if __name__ == "__main__":
    main()
