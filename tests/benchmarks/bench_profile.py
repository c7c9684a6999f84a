"""Estimates of `paretune profile`, compared with the real effect of each change in ONNX Runtime.

For each network, takes the profile and every change that it advises, for the layers that cost most
and for the whole network. Each change is then made, exported and timed in turn with the unchanged
network. Prints the remaining share of time and file size, estimated and measured. An estimate only
guides what to search first: the target is that half of them lie within 0.15 of the whole time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sides import in_turn
from torch import nn

from paretune.inputs import Shape
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.objectives.profiling.onnx_profile import onnx_times
from paretune.objectives.runtimes.base import Artifact
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.profiling.advice import changed_networks
from paretune.search.profiling.advice.change import DESCRIPTIONS, Change, EstimatedChange
from paretune.search.profiling.advice.estimated_changes import estimated_changes
from paretune.search.profiling.advice.estimates import NetworkCosts
from paretune.spaces.architecture.network import build_network

SHAPE: Shape = (3, 32, 32)
CLASSES = 10

NETWORKS: dict[str, dict[str, Any]] = {
    "simple_cnn": {"simple_cnn": {}},
    "resnet": {"resnet": {}},
    "mobilenet_v2": {"torchvision": {"name": "mobilenet_v2"}},
    "vit": {"vit": {"depth": 4}},
}

ROUNDS = 7


def changed(model: nn.Module, change: EstimatedChange) -> nn.Module | None:
    """Returns the network with a change; None if it is impossible."""
    match change.kind:
        case Change.SEPARABLE:
            return changed_networks.separable(model, change.layer)
        case Change.POOL:
            return changed_networks.pooled(model, change.layer, SHAPE)
        case Change.HALVE | Change.HALVE_ALL:
            return changed_networks.pruned(model, SHAPE, CLASSES, change.layer or None)
        case _:
            return model


def exported(model: nn.Module, path: Path) -> Artifact:
    """Exports a network to a file, and returns it."""
    return OnnxRuntime.export(model, SHAPE, path)


def ratio_of_runs(before: Any, after: Any, inputs: np.ndarray, seconds: float) -> float:
    """Returns the time of the second session / that of the first, timed in turn."""

    def runs(session: Any, count: int) -> Any:
        return lambda: [session(inputs) for _ in range(count)]

    [once] = in_turn([runs(before, 5)], 5)
    count = max(3, int(seconds / ROUNDS / 2 / max(min(once) / 5, 1e-6)))
    first, second = in_turn([runs(before, count), runs(after, count)], 2 * ROUNDS)
    # Other work on the machine makes a round slower, never faster.
    return median_of_faster_half(second) / median_of_faster_half(first)


def median_of_faster_half(seconds: list[float]) -> float:
    """Returns the median of the smaller half."""
    return statistics.median(sorted(seconds)[: (len(seconds) + 1) // 2])


def compare(name: str, architecture: dict[str, Any], seconds: float, folder: Path) -> list[float]:
    """Makes and times the changes that a network's profile advises, and prints a line for each.

    Returns:
        The estimated minus the measured share of the time, for each change.
    """
    model = build_network(architecture, SHAPE, CLASSES, seed=0)
    inputs = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    file = exported(model, folder / "before.onnx")
    options = OnnxRuntime.Params()
    modules = {path for path, _ in model.named_modules()}
    times = onnx_times(file.path, options, (inputs,), modules, seconds)
    layers = layer_costs(model, SHAPE)
    costs = NetworkCosts(layers, times.by_layer(), times.outside, float(file.bytes))
    size = file.bytes / 1e6
    print(f"{name}: {times.unprofiled:.3f} ms, {size:.2f} MB; layers {times.total:.3f} ms")
    before = OnnxRuntime.load(file.path, options)
    errors = []
    for change in estimated_changes(model, SHAPE, CLASSES, costs, architecture):
        network = changed(model, change)
        if network is None:
            continue
        made = exported(network, folder / "after.onnx")
        measured = ratio_of_runs(before, OnnxRuntime.load(made.path, options), inputs, seconds)
        estimate = change.estimate
        errors.append(estimate.time - measured)
        print(
            f"  {change.layer or 'whole':>14} {DESCRIPTIONS[change.kind]:<33}"
            f"time {estimate.time:.2f} estimated, {measured:.2f} measured; "
            f"file {estimate.size:.3f}, {made.bytes / file.bytes:.3f}"
        )
    return errors


def main() -> None:
    """Compares for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=len(NETWORKS))
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of each timing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    errors: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in list(NETWORKS)[: options.networks]:
            errors += compare(name, NETWORKS[name], options.seconds, Path(folder))
    distances = [abs(error) for error in errors]
    print(
        f"  RATIO estimated minus measured share of the time, median of {len(distances)} changes: "
        f"{statistics.median(distances):.3f} (largest {max(distances):.2f}; target 0.15)"
    )


if __name__ == "__main__":
    main()
