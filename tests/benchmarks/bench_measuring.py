"""What measuring one small candidate costs in a warm process: seconds by step, and peak memory.

SimpleCNN and MobileNetV2 at 32x32 pixels, ONNX Runtime: the whole measurement is export, load,
latency (beside the baseline and the references) and size. Aims: at most 3 s on two cores, and a
peak below twice the model plus the runtime. The peak is that of a clean process that measures the
file, above that of one which measures the smallest file there is: `--peak` is such a process.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from random_images import CLASSES, as_dataset, random_arrays

from objectives.base import Subject
from objectives.latency import Latency
from objectives.references import panel
from objectives.runtimes.base import Artifact
from objectives.runtimes.onnxruntime import OnnxRuntime
from objectives.size import Size
from spaces.rebuild import start

AIM = 3.0

SMALL, LARGE = {"simple_cnn": {"width": 1.0}}, {"mobilenet_v2": {"width": 1.0}}

NETWORKS: dict[str, dict[str, Any]] = {"simple_cnn": SMALL, "mobilenet_v2": LARGE}


def subject_of(architecture: dict[str, Any], file: Path, data: Any) -> Subject:
    """A float network, exported."""
    model = start(architecture, data.shape, CLASSES, 0).model.eval()
    artifact = OnnxRuntime.export(model, data.shape, file)
    return Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), model, data)


def costs(name: str, folder: Path, repeats: int, params: Any) -> tuple[dict[str, float], float]:
    """Median seconds of each step in a warm process, and of all."""
    data = as_dataset(random_arrays(64))
    base = subject_of({"simple_cnn": {"width": 0.5}}, folder / "base.onnx", data)
    panel(base.runtime, base.options, data.shape)
    known = Latency.measure(base, params, "validation")
    subject = subject_of(NETWORKS[name], folder / f"{name}.onnx", data)
    subject = replace(subject, baseline=base.artifact, reference={Latency.name: known})
    draft = folder / "again.onnx"
    steps: dict[str, Callable[[], Any]] = {
        "export": lambda: OnnxRuntime.export(subject.model, data.shape, draft),
        "load": lambda: OnnxRuntime.load(subject.artifact.path, subject.options),
        "latency": lambda: Latency.measure(subject, params, "validation"),
        "size": lambda: Size.measure(subject, Size.Params(), "validation"),
    }
    spent: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(repeats):
        for step, do in steps.items():
            begun = time.perf_counter()
            do()
            spent[step].append(time.perf_counter() - begun)
    middle = {step: statistics.median(seconds) for step, seconds in spent.items()}
    return middle, statistics.median(map(sum, zip(*spent.values(), strict=True)))


def peak(file: Path) -> None:
    """Prints this process's peak in bytes, after an artifact was measured."""
    data = as_dataset(random_arrays(64))
    model: Any = None  # is not needed to time a file
    artifact = Artifact(file, OnnxRuntime.name, "", file.stat().st_size)
    subject = Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), model, data)
    Latency.measure(subject, Latency.Params(seconds=0.1), "validation")
    Size.measure(subject, Size.Params(), "validation")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def peak_of(file: Path, repeats: int) -> float:
    """Bytes of a clean process, the median of some."""
    command: Sequence[str] = [sys.executable, __file__, "--peak", str(file)]
    found = []
    for _ in range(repeats):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(int(done.stdout))
    return statistics.median(found)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of latency, the default there")
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        peak(arguments.peak)
        return
    params = Latency.Params(seconds=arguments.seconds)
    print(f"measuring one candidate at 32x32, {arguments.repeats} times, in a warm process")
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        least = {"simple_cnn": {"width": 0.25}}
        subject_of(least, Path(folder) / "least.onnx", as_dataset(random_arrays(64)))
        for name in NETWORKS:
            steps, seconds = costs(name, Path(folder), arguments.repeats, params)
            said = ", ".join(f"{step} {spent:.2f} s" for step, spent in steps.items())
            print(f"  {name}: {seconds:.2f} s ({said})")
            model = (Path(folder) / f"{name}.onnx").stat().st_size
            empty = peak_of(Path(folder) / "least.onnx", arguments.repeats)
            more = peak_of(Path(folder) / f"{name}.onnx", arguments.repeats) - empty
            print(f"  {name}: peak {empty / 1e6:.0f} MB for the runtime and {more / 1e6:.1f} MB")
            print(f"  RATIO of {name}'s seconds to the aim of {AIM:.0f} s: {seconds / AIM:.2f}")
            print(f"  RATIO of {name}'s memory to its file, aim below 2: {more / model:.2f}")


if __name__ == "__main__":
    main()
