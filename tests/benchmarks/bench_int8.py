"""int8 compared with float32 in ONNX Runtime: published ResNets for CIFAR-10, on the test images.

Prints the accuracy of the float32 file, of static int8 with each calibration, and of
quantization-aware training (QAT), all as deployed. It also compares the accuracy that the network
from QAT simulates with that of its file. Targets: static loses at most 0.5 points, QAT at most 0.2;
simulated and deployed differ by at most 0.3 points. QAT trains on the first training images only.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from published_weights import CLASSES, SHAPE, normalized, published_resnet

from paretune.objectives.runtimes.onnx_quantization.optimized_graph import float_layers
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.tasks.classification import classification
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization import QUANTIZATIONS

BATCH = 100


class Images:
    """The first training images, normalized as the published networks need it."""

    shape, fingerprint, task = SHAPE, "bench", classification(CLASSES)
    loader_batch = None

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._images, self._labels = normalized(images), torch.from_numpy(labels.astype(np.int64))

    def size(self, part: str) -> int:
        return len(self._labels)

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        if seed is None:
            return torch.arange(len(self._labels))
        return torch.randperm(len(self._labels), generator=torch.Generator().manual_seed(seed))

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for rows in self.order(part, seed).split(batch_size):
            yield self._images[rows].to(device), self._labels[rows].to(device)

    def black(self) -> tuple[float, ...]:
        return self._normalized(0)

    def white(self) -> tuple[float, ...]:
        return self._normalized(255)

    def _normalized(self, value: int) -> tuple[float, ...]:
        pixel = normalized(np.full((1, 1, 1, 3), value, np.uint8))
        return tuple(float(channel) for channel in pixel.flatten())

    def calibration(self, count: int) -> Iterator[np.ndarray]:
        return (self._images[i : min(i + 32, count)].numpy() for i in range(0, count, 32))


def deployed(candidate: Candidate, data: Images, images: int, tests: np.ndarray) -> np.ndarray:
    """Returns the logits [N, classes] of a candidate's file in ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        calibration = data.calibration(images)
        OnnxRuntime.export(candidate.model, SHAPE, path, candidate.quantization, calibration)
        if candidate.quantization:
            assert float_layers(path) == [], "a layer runs in float"
        session = OnnxRuntime.load(path, OnnxRuntime.Params())
        return np.concatenate(
            [session(normalized(tests[i : i + BATCH]).numpy()) for i in range(0, len(tests), BATCH)]
        )


def simulated(candidate: Candidate, tests: np.ndarray) -> np.ndarray:
    """Returns the logits [N, classes] of the network in torch, which simulates int8."""
    with torch.inference_mode():
        return np.concatenate(
            [
                candidate.model(normalized(tests[i : i + BATCH])).numpy()
                for i in range(0, len(tests), BATCH)
            ]
        )


def percent(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the top-1 accuracy in %."""
    return 100 * float((logits.argmax(1) == labels[: len(logits)]).mean())


def compare(weights: Path, data: Images, options: Any, tests: np.ndarray, labels: Any) -> None:
    """Quantizes one network in each way, and prints the figures."""
    candidate = published_resnet(weights)
    context = Context(data, placement=OnnxRuntime.placement)
    float32 = percent(deployed(candidate, data, 1, tests), labels)
    print(f"{weights.stem}, {len(tests)} test images, in ONNX Runtime")
    print(f"  float32             {float32:6.2f} %", flush=True)
    for method in ("minmax", "percentile", "entropy"):
        entry = QUANTIZATIONS.get("static")
        params = entry.Params(calibration=method, images=options.calibration)
        static = entry.apply(candidate, params, context)
        accuracy = percent(deployed(static, data, params.images, tests), labels)
        points = accuracy - float32
        print(f"  static {method:<12} {accuracy:6.2f} %  ({points:+.2f} points)", flush=True)
    entry = QUANTIZATIONS.get("qat")
    params = entry.Params(epochs=options.epochs, images=min(options.calibration, options.images))
    begun = time.perf_counter()
    trained = entry.apply(candidate, params, context)
    seconds = time.perf_counter() - begun
    logits = deployed(trained, data, params.images, tests)
    accuracy = percent(logits, labels)
    print(f"  qat                 {accuracy:6.2f} %  ({accuracy - float32:+.2f} points)")
    print(f"    {options.epochs} epochs of {options.images} training images, {seconds:.0f} s")
    few = min(2000, len(tests))
    in_torch = percent(simulated(trained, tests[:few]), labels)
    in_file = percent(logits[:few], labels)
    print(f"    on {few} images: simulated {in_torch:.2f} %, deployed {in_file:.2f} %")
    print(f"  RATIO qat / float32 accuracy: {accuracy / float32:.4f}", flush=True)


def main() -> None:
    """Compares for each weights file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cifar10", type=Path, help=".npz with x_train, y_train, x_test, y_test")
    parser.add_argument("weights", type=Path, nargs="+", help="resnet20.safetensors, ...")
    parser.add_argument("--images", type=int, default=2000, help="training images of QAT")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--calibration", type=int, default=256, help="images for calibration")
    parser.add_argument("--tests", type=int, default=10_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    arrays = np.load(options.cifar10)
    data = Images(arrays["x_train"][: options.images], arrays["y_train"][: options.images])
    tests, labels = arrays["x_test"][: options.tests], arrays["y_test"][: options.tests]
    for weights in options.weights:
        compare(weights, data, options, tests, labels)


if __name__ == "__main__":
    main()
