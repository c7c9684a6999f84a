"""Repeatability of a latency: Paretune's interleaved measure beside a mean of 100 runs.

The same two files (simple_cnn as it is and at a quarter of its width, in ONNX Runtime) are measured
again and again while busy processes come and go, one for each core. Nothing about the files
changes, so whatever a measure says besides the first answer is its error. The peer is what one
writes by hand: ten runs to warm up, then the mean of a hundred, of the narrow file alone (compared
with a baseline of an hour ago) or of both right after each other (as a ratio).

A spread is the largest answer divided by the smallest. Target: smaller than either peer's.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from random_images import CLASSES, as_dataset, random_arrays

from objectives.base import Subject
from objectives.latency import Latency
from objectives.runtimes.base import Artifact
from objectives.runtimes.onnxruntime import OnnxRuntime
from spaces.rebuild import start

BUSY = """
import random, sys, time
rng = random.Random(int(sys.argv[1]))
while True:
    until = time.monotonic() + rng.uniform(0.1, 1.5)
    while time.monotonic() < until:
        sum(range(10_000))
    time.sleep(rng.uniform(0.1, 1.5))
"""
"""Works and rests in turn, up to a second and a half each."""


@contextlib.contextmanager
def noise(seed: int) -> Iterator[None]:
    """Busy processes beside the body, as many as there are cores."""
    processes = [
        subprocess.Popen([sys.executable, "-c", BUSY, str(100 * seed + core)])
        for core in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


class Pair:
    """The two files, and both ways to measure them."""

    def __init__(self, folder: Path) -> None:
        self._data = as_dataset(random_arrays(100))
        self._options = OnnxRuntime.Params()
        self._files = {name: self._exported(folder, width) for name, width in WIDTHS.items()}
        self._image = next(iter(self._data.arrays("validation", 1)))[0]
        self._sessions = {
            name: OnnxRuntime.load(artifact.path, self._options)
            for name, (artifact, _) in self._files.items()
        }
        baseline, model = self._files["wide"]
        subject = Subject(baseline, OnnxRuntime, self._options, model, self._data)
        self._reference = {Latency.name: Latency.measure(subject, Latency.Params(), "validation")}

    def _exported(self, folder: Path, width: float) -> tuple[Artifact, Any]:
        model = start({"simple_cnn": {"width": width}}, self._data.shape, CLASSES, 0).model.eval()
        return OnnxRuntime.export(model, self._data.shape, folder / f"{width}.onnx"), model

    def interleaved(self) -> float:
        """Narrow / wide, as Paretune measures a candidate against the baseline."""
        artifact, model = self._files["narrow"]
        subject = Subject(
            artifact,
            OnnxRuntime,
            self._options,
            model,
            self._data,
            self._files["wide"][0],
            self._reference,
        )
        measured = Latency.measure(subject, Latency.Params(), "validation")
        return float(measured.conditions["ratio"])

    def naive(self, name: str) -> float:
        """Mean milliseconds of a hundred runs."""
        session = self._sessions[name]
        for _ in range(10):
            session(self._image)
        begun = time.perf_counter()
        for _ in range(100):
            session(self._image)
        return (time.perf_counter() - begun) * 10


WIDTHS = {"wide": 1.0, "narrow": 0.25}


def compare(repeats: int) -> None:
    """Measures both ways in each round, every other round beside noise, and prints the spreads."""
    ours: list[float] = []
    alone: list[float] = []
    both: list[float] = []
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        pair = Pair(Path(folder))
        for round_ in range(repeats):
            with noise(round_) if round_ % 2 else contextlib.nullcontext():
                time.sleep(0.3)
                sides = [
                    lambda: ours.append(pair.interleaved()),
                    lambda: alone.append(pair.naive("narrow")),
                    lambda: both.append(pair.naive("narrow") / pair.naive("wide")),
                ]
                for side in np.roll(np.arange(len(sides)), round_):
                    sides[side]()
    print(f"latency, two files measured {repeats} times, every other time beside noise")
    spread = _line("Paretune, interleaved ratio", ours)
    for name, answers in (("mean of 100 runs", alone), ("ratio of two such means", both)):
        theirs = _line(name, answers)
        print(f"  RATIO of the spreads, Paretune / {name}: {spread / theirs:.2f} (target: below 1)")


def _line(name: str, answers: list[float]) -> float:
    middle = statistics.median(answers)
    spread = max(answers) / min(answers)
    typical = statistics.median(abs(answer / middle - 1) for answer in answers)
    print(f"  {name:28} spread {spread:5.2f}, typically {100 * typical:4.1f} % from its median")
    return spread


def main() -> None:
    """Compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    compare(parser.parse_args().repeats)


if __name__ == "__main__":
    main()
