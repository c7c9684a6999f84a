"""The cost of measuring one small candidate in a warm process: seconds by step, and peak memory.

The candidates are SimpleCNN and MobileNetV2 at 32x32 pixels in ONNX Runtime. The whole measurement
is export, load, latency (in turn with the baseline and the references) and size. Aims: at most 3 s
on two cores, and a peak below twice the model plus the runtime. The peak is that of a process that
has first measured the smallest file, above the memory that it held then (option `--peak`; Linux
only). It is also taken for a SimpleCNN of 106 MB, as the peak of small files is mostly the memory
of the runtime's session.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
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

from paretune.objectives.base import Subject
from paretune.objectives.latency import Latency
from paretune.objectives.runtimes.base import Artifact
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.size import Size
from paretune.objectives.timing.reference_networks import reference_panel
from paretune.spaces.rebuild import initial_candidate

AIM = 3.0

SMALL, LARGE = {"simple_cnn": {"width": 1.0}}, {"mobilenet_v2": {"width": 1.0}}

BIG = {"simple_cnn": {"width": 3.5}}
"""Network for the memory only."""

NETWORKS: dict[str, dict[str, Any]] = {"simple_cnn": SMALL, "mobilenet_v2": LARGE}


def subject_of(architecture: dict[str, Any], file: Path, data: Any) -> Subject:
    """Exports a float network; returns it ready to be measured."""
    model = initial_candidate(architecture, data.shape, CLASSES, 0).model.eval()
    artifact = OnnxRuntime.export(model, data.shape, file)
    return Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), model, data)


def costs(name: str, folder: Path, repeats: int, params: Any) -> tuple[dict[str, float], float]:
    """Returns the median seconds of each step in a warm process, and of all steps together."""
    data = as_dataset(random_arrays(64))
    base = subject_of({"simple_cnn": {"width": 0.5}}, folder / "base.onnx", data)
    reference_panel(base.runtime, base.options, data.shape)
    measured = {Latency.name: Latency.measure(base, params, "validation")}
    subject = subject_of(NETWORKS[name], folder / f"{name}.onnx", data)
    subject = replace(subject, baseline=base.artifact, baseline_measurements=measured)
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


def peak(least: Path, file: Path) -> None:
    """Prints by how many bytes this process grows while it measures a file.

    Args:
        least: The smallest file, which is measured before.
        file: The file.
    """
    data = as_dataset(random_arrays(64))

    def measure(path: Path) -> None:
        model: Any = None  # not needed to time a file
        artifact = Artifact(path, OnnxRuntime.name, "", path.stat().st_size)
        subject = Subject(artifact, OnnxRuntime, OnnxRuntime.Params(), model, data)
        Latency.measure(subject, Latency.Params(seconds=0.1), "validation")
        Size.measure(subject, Size.Params(), "validation")

    measure(least)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # freed memory must not hide what is needed
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: proc(5)
    held = _status("VmRSS")
    measure(file)
    print(_status("VmHWM") - held)


def _status(name: str) -> int:
    """Returns a number of bytes of this process from /proc/self/status."""
    [line] = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    ]
    return int(line.split()[1]) * 1024


def peak_of(least: Path, file: Path, repeats: int) -> float:
    """Returns the bytes that `peak` prints in a new process; the median of the repeats."""
    command: Sequence[str] = [sys.executable, __file__, "--peak", str(least), str(file)]
    peaks = []
    for _ in range(repeats):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    return statistics.median(peaks)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of a latency")
    parser.add_argument("--peak", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        peak(*arguments.peak)
        return
    params = Latency.Params(seconds=arguments.seconds)
    print(f"measuring one candidate at 32x32, {arguments.repeats} times, in a warm process")
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        least = {"simple_cnn": {"width": 0.25}}
        subject_of(least, Path(folder) / "least.onnx", as_dataset(random_arrays(64)))
        for name in NETWORKS:
            steps, seconds = costs(name, Path(folder), arguments.repeats, params)
            text = ", ".join(f"{step} {spent:.2f} s" for step, spent in steps.items())
            print(f"  {name}: {seconds:.2f} s ({text})")
            print(f"  RATIO of {name}'s seconds to the aim of {AIM:.0f} s: {seconds / AIM:.2f}")
        subject_of(BIG, Path(folder) / "big.onnx", as_dataset(random_arrays(64)))
        tiny = Path(folder) / "least.onnx"
        runtime = peak_of(tiny, tiny, arguments.repeats)
        print(f"  the runtime's sessions of the smallest files: {runtime / 1e6:.1f} MB")
        for name in (*NETWORKS, "big"):
            file = Path(folder) / f"{name}.onnx"
            size = file.stat().st_size
            more = peak_of(tiny, file, arguments.repeats)
            print(f"  {name}: a file of {size / 1e6:.1f} MB, measuring takes {more / 1e6:.1f} MB")
            allowed = 2 * size + runtime
            print(f"  RATIO of {name}'s memory to twice its file and these: {more / allowed:.2f}")


if __name__ == "__main__":
    main()
