"""Time and size of networks of real size, beside the same steps by hand. Random weights.

Each network of torchvision is pruned at some ratios and deployed in float32 and in static int8,
with 224 pixels and one thread of ONNX Runtime. Time and size do not depend on what a network has
learned, so nothing is trained, the images are random, and no accuracy is printed. For accuracy on
photos, run `bench_headline.py` with `blood_cells.yaml`.

Paretune's side is a study over all combinations. By hand is what a script does without Paretune:
Torch-Pruning's MagnitudePruner with the same ratio and rounding, torch.onnx.export, and ONNX
Runtime's quantize_static with a scale for each channel. All files run in turn, in this process;
the processor time of a run is counted, so that other work on the machine takes no time from a side.

    python tests/benchmarks/bench_real_size.py --models resnet50 mobilenet_v3_large --ratios 0.3 0.5
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import torch_pruning
import torchvision
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from sides import in_turn, median_ratio

import paretune

CLASSES, CALIBRATION, ROUND_TO = 10, 16, 8
"""Classes of the networks, images of a calibration, and the multiple of pruned channels."""

RUNS = 4
"""Runs of a file in each turn: the first one finds the weights of the other files in the cache."""


@dataclass(frozen=True)
class Variant:
    """A way to deploy a network.

    Attributes:
        ratio: Share of each layer's channels that is removed; 0 for the network itself.
        int8: Whether it is deployed in static int8, else in float32.
    """

    ratio: float
    int8: bool

    def __str__(self) -> str:
        pruned = f"pruned {100 * self.ratio:.0f} %" if self.ratio else "unpruned"
        return f"{pruned}, {'static int8' if self.int8 else 'float32'}"


BASELINE = Variant(0.0, False)


def images(count: int, size: int) -> np.ndarray:
    """Returns random images, uint8 [count, size, size, 3]."""
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def random_weights(model: str, size: int, path: Path) -> None:
    """Writes random weights of a network of torchvision.

    Batch normalizations get the statistics of random images. With those of a new network, the
    activations of some networks vanish or grow from layer to layer.
    """
    torch.manual_seed(0)
    network = torchvision.models.get_model(model, num_classes=CLASSES).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(torch.from_numpy(inputs(CALIBRATION, size)))
    torch.save(network.state_dict(), path)


def studied(
    model: str, weights: Path, ratios: list[float], size: int, folder: Path
) -> dict[Variant, paretune.Trial]:
    """Runs a study over all variants of a network; returns their trials, the baseline first."""
    labels = np.arange(CALIBRATION) % CLASSES
    parts = {f"x_{part}": images(CALIBRATION, size) for part in ("train", "val", "test")}
    parts |= {f"y_{part}": labels for part in ("train", "val", "test")}
    study = paretune.Study(
        data={**parts, "inputs": "pixels", "mean": 0.5, "std": 0.25},
        baseline={"architecture": {"torchvision": model}, "checkpoint": str(weights)},
        space={
            "pruning": {
                "choice": {
                    "none": {},
                    "structured": {"ratio": {"choice": ratios}, "round_to": ROUND_TO},
                }
            },
            "quantization": {"choice": {"none": {}, "static": {"images": CALIBRATION}}},
        },
        objectives={"latency": "minimize", "size": "minimize"},
        search={"sampler": "grid"},
        budget={"final": "off"},
        folder=folder,
    )
    with paretune.without_waiting():
        study.run(progress=False)
    own = [trial for trial in study.trials if trial.number and trial.record.repeat_of is None]
    if failed := [trial for trial in own if trial.state != "complete"]:
        raise SystemExit(f"{failed[0].plan.summary}: {failed[0].reason}")
    return {BASELINE: study.baseline} | {variant_of(trial.params): trial for trial in own}


def variant_of(params: Mapping[str, Any]) -> Variant:
    """Returns the variant with the parameters of a trial."""
    ratio = float(params.get("pruning.structured.ratio", 0.0))  # choices are stored as labels
    return Variant(ratio, params["quantization"] == "static")


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """The random images, normalized, one by one."""

    def __init__(self, size: int) -> None:
        self._batches: Iterator[np.ndarray] = iter(inputs(CALIBRATION, size)[:, None])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Returns the next input of the network; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}


def inputs(count: int, size: int) -> np.ndarray:
    """Returns the normalized images, float32 [count, 3, size, size]."""
    pixels = images(count, size).astype(np.float32).transpose(0, 3, 1, 2) / 255
    return np.ascontiguousarray((pixels - 0.5) / 0.25)


def by_hand(model: str, weights: Path, variant: Variant, size: int, folder: Path) -> Path:
    """Prunes, exports and quantizes a network without Paretune; returns the file."""
    network = torchvision.models.get_model(model, num_classes=CLASSES).eval()
    network.load_state_dict(torch.load(weights))
    example = torch.from_numpy(inputs(1, size))
    if variant.ratio:
        last = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
        torch_pruning.pruner.MagnitudePruner(
            network,
            example,
            importance=torch_pruning.importance.MagnitudeImportance(p=2),
            pruning_ratio=variant.ratio,
            round_to=ROUND_TO,
            ignored_layers=[last],
        ).step()
    plain, prepared, int8 = (folder / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(network, (example,), str(plain), input_names=["input"], dynamo=False)
    if not variant.int8:
        return plain
    quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(int8),
        Calibration(size),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return int8


def session(path: Path) -> onnxruntime.InferenceSession:
    """Loads a file with one thread, as Paretune does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def seconds_of(paths: list[Path], repeats: int, size: int) -> list[list[float]]:
    """Returns the processor seconds of RUNS inputs in each file, for each round."""
    example = inputs(1, size)
    sides = []
    for path in paths:
        loaded = session(path)
        call = partial(loaded.run, None, {loaded.get_inputs()[0].name: example})
        sides.append(partial(several, call))
    in_turn(sides, 1)  # the first runs are slower
    return in_turn(sides, repeats, time.process_time)


def several(call: Callable[[], object]) -> None:
    """Calls a function RUNS times."""
    for _ in range(RUNS):
        call()


def compare(model: str, options: argparse.Namespace, folder: Path) -> list[str]:
    """Deploys all variants on both sides, and prints a row for each; returns the ratios."""
    weights, size = folder / "random.pt", options.size
    random_weights(model, size, weights)
    trials = studied(model, weights, options.ratios, size, folder / "study")
    baseline = trials[BASELINE]
    print(f"{model}, {size} pixels, random weights")
    print("| variant | Paretune: faster | in turn: faster | by hand | smaller | by hand | MACs |")
    print("|---|---|---|---|---|---|---|")
    ratios = []
    for variant, trial in trials.items():
        place = folder / f"hand-{variant.ratio}-{variant.int8}"
        place.mkdir()
        files = [baseline.artifact, trial.artifact, by_hand(model, weights, variant, size, place)]
        base, ours, hand = seconds_of(files, options.repeats, size)
        sizes = [file.stat().st_size for file in files]
        measured = baseline.measurements["latency"].value / trial.measurements["latency"].value
        macs = trial.measurements["macs"].value / baseline.measurements["macs"].value
        print(
            f"| {variant} | {measured:.2f}x | {median_ratio(base, ours):.2f}x | "
            f"{median_ratio(base, hand):.2f}x | {sizes[0] / sizes[1]:.2f}x | "
            f"{sizes[0] / sizes[2]:.2f}x | {macs:.3f} |",
            flush=True,
        )
        ratios.append(
            f"  RATIO latency, Paretune / by hand, {model}, {variant}: "
            f"{median_ratio(ours, hand):.3f}; size {sizes[1] / sizes[2]:.3f}"
        )
    milliseconds = 1000 * statistics.median(base) / RUNS
    return [f"  float32 takes {milliseconds:.1f} ms of processor time", *ratios]


def main() -> None:
    """Parses the options, and compares each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["resnet50", "mobilenet_v3_large"])
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument("--size", type=int, default=224, help="pixels of an image's side")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(compare(model, options, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
