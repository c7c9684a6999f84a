"""Rank agreement and repeatability of a latency: Paretune's measurement and the usual ones.

Twelve networks in ONNX Runtime (three families, two of the networks in int8) are measured again and
again. In every other round another process loads the host on and off. Half of Paretune's
measurements run in a new process. The files do not change, so any difference from the long run is
an error.

The long run visits all twelve in turn, 12 ms each, one half before the measurements and one half
after. It counts only runs without other work on their processor. The peers are the mean of 20 runs
after 10 for warm-up (as Olive measures) and a single run (as Archai does). Each result is a ratio
to the first network, measured in the same way.

Agreement is Kendall's tau between the order of the twelve by a measurement and by the long run.
Repeatability is the distance of a network's ratio from its median over the repeats. Aims: 2 % and
0.95.

`--networks 6 --repeats 4 --truth 20` is a short run, of about three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from random_images import CLASSES, as_dataset, random_arrays
from scipy.stats import kendalltau

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.latency import Latency
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.size import Size
from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.reference_networks import reference_panel
from paretune.objectives.timing.runs import TimedRuns, steady
from paretune.spaces.rebuild import initial_candidate

STATIC = {"static": {"images": 32, "calibration": "minmax", "per_channel": True}}

NETWORKS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"simple_cnn": {"width": 1.0}}, None),  # the baseline
    *(({"simple_cnn": {"width": width}}, None) for width in (0.25, 0.5, 0.75)),
    *(({"separable_cnn": {"width": width}}, None) for width in (0.5, 1.0, 1.5)),
    *(({"resnet": {"stages": 3, "blocks": 1, "width": width}}, None) for width in (8, 16, 32)),
    ({"simple_cnn": {"width": 0.5}}, STATIC),
    ({"resnet": {"stages": 3, "blocks": 1, "width": 16}}, STATIC),
]

VISIT = 0.012
"""Seconds of a visit in the long run, twice as long as in a measurement."""

BUSY = """
import random, sys, time
rng = random.Random(int(sys.argv[1]))
while True:
    until = time.monotonic() + rng.uniform(0.1, 1.5)
    while time.monotonic() < until:
        sum(range(10_000))
    time.sleep(rng.uniform(0.1, 1.5))
"""
"""Python code that works and rests in turn, up to a second and a half each."""


@contextlib.contextmanager
def noise(seed: int) -> Iterator[None]:
    """Runs another process that loads the host on and off, while the body runs."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY, str(seed)])]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


class Networks:
    """Networks as files, and ways to measure the ratios of their latencies to the first one.

    Args:
        folder: Folder of the files.
        count: Number of networks.
        seconds: Seconds of one measurement.
    """

    def __init__(self, folder: Path, count: int, seconds: float) -> None:
        self._data = as_dataset(random_arrays(100))
        self._params = Latency.Params(seconds=seconds)
        self._image = next(iter(self._data.arrays("validation", 1)))[0]
        options = OnnxRuntime.Params()
        self.subjects = []
        for number, (architecture, quantization) in enumerate(NETWORKS[:count]):
            model = initial_candidate(architecture, self._data.shape, CLASSES, 0).model.eval()
            calibration = iter([images for images, _ in self._data.arrays("validation", 32)])
            file = folder / f"{number}.onnx"
            artifact = OnnxRuntime.export(model, self._data.shape, file, quantization, calibration)
            self.subjects.append(Subject(artifact, OnnxRuntime, options, model, self._data))
        self._sessions = [OnnxRuntime.load(s.artifact.path, options) for s in self.subjects]
        self._levels: list[list[float]] = [[] for _ in self.subjects]
        self._reference: dict[str, Measurement] = {}
        self.last: list[Measurement] = []

    def calibrate(self) -> None:
        """Measures the first network as the baseline, as a study does first."""
        latency = Latency.measure(self.subjects[0], self._params, "validation")
        self._reference = {Latency.name: latency}

    def long_run(self, seconds: float) -> None:
        """Adds this many seconds to the long run."""
        probe = ContentionProbe()
        loads = [self._loader(subject) for subject in self.subjects]
        runs = [TimedRuns(load, [self._image], probe) for load in loads]
        order = list(range(len(runs)))
        for each in runs:
            each.warm_up()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with steady(pin=True):
                for each in runs:
                    each.reload()
                    each.begin_block()
                for _ in range(12):
                    random.shuffle(order)
                    for index in order:
                        runs[index].visit(VISIT)
            for each in runs:
                probe.learn(each.blocks[-1].probe)
        calm = [b for b in range(len(runs[0].blocks)) if all(each.is_calm(b) for each in runs)]
        for levels, each in zip(self._levels, runs, strict=True):
            good = each.counted_ms(calm or list(range(len(each.blocks))))
            levels += [statistics.median(block) for block in good]

    @staticmethod
    def _loader(subject: Subject) -> Callable[[], Any]:
        return lambda: OnnxRuntime.load(subject.artifact.path, subject.options)

    def truth(self) -> np.ndarray:
        """Returns the ratios of the long run [networks]."""
        levels = np.array(self._levels)
        return np.median(levels / levels[0], axis=1)

    def by_paretune(self, fresh: bool) -> list[float]:
        """Returns ratios as a study measures them, in this process or, if `fresh`, in a new one."""
        if fresh:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as process:
                self.last = list(process.map(candidate, *self._work()))
        else:
            self.last = list(map(candidate, *self._work()))
        return [m.conditions["ratio"] for m in self.last]

    def _work(self) -> tuple[list[Subject], list[Any]]:
        against = {"baseline": self.subjects[0].artifact, "baseline_measurements": self._reference}
        subjects = [replace(s, model=None, **against) for s in self.subjects]
        return subjects, [self._params] * len(subjects)

    def candidate(self, index: int) -> Measurement:
        """Measures one network, as a study measures a candidate."""
        subjects, params = self._work()
        return candidate(subjects[index], params[index])

    def by_mean(self, warm: int, count: int) -> list[float]:
        """Returns ratios of the mean of `count` runs after `warm` runs."""
        means = []
        for session in self._sessions:
            for _ in range(warm):
                session(self._image)
            begun = time.perf_counter()
            for _ in range(count):
                session(self._image)
            means.append((time.perf_counter() - begun) / count)
        return [each / means[0] for each in means]


def candidate(subject: Subject, params: Any) -> Measurement:
    """Returns the latency of one network."""
    torch.set_num_threads(1)
    return Latency.measure(subject, params, "validation")


def compare(arguments: argparse.Namespace) -> None:
    """Measures in each way in each round, every other round under noise; prints the figures."""
    ratios: dict[str, list[list[float]]] = {}
    intervals: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        networks = Networks(Path(folder), arguments.networks, arguments.seconds)
        networks.calibrate()
        networks.long_run(arguments.truth / 2)
        ways: dict[str, Callable[[bool], list[float]]] = {
            "Paretune": networks.by_paretune,
            "mean of 20 after 10": lambda fresh: networks.by_mean(10, 20),
            "one run": lambda fresh: networks.by_mean(0, 1),
        }
        for round_ in range(arguments.repeats):
            with noise(round_) if round_ % 2 else contextlib.nullcontext():
                for name, way in ways.items():
                    ratios.setdefault(name, []).append(way(round_ % 4 >= 2))
            scale = networks.last[0].value / networks.last[0].conditions["ratio"]
            intervals += [(m.low / scale, m.high / scale, i) for i, m in enumerate(networks.last)]
        networks.long_run(arguments.truth / 2)
        truth = networks.truth()
        print(f"latency of {len(truth)} networks, {arguments.repeats} times, half under noise")
        figures = {name: _line(name, np.array(repeats), truth) for name, repeats in ratios.items()}
        inside = statistics.fmean(low <= truth[int(i)] <= high for low, high, i in intervals)
        widths = [50 * np.log(high / low) for low, high, _ in intervals]
        print(f"  intervals that hold the long run's ratio: {100 * inside:.0f} %", end="; ")
        print(f"half of one: {statistics.median(widths):.1f} % (median)")
        for name in list(figures)[1:]:
            ratio = figures["Paretune"] / figures[name]
            print(f"  RATIO of the deviations, Paretune / {name}: {ratio:.2f} (target: below 1)")
        _cost(networks, Path(folder))


def _line(name: str, ratios: np.ndarray, truth: np.ndarray) -> float:
    """Prints the line of one way to measure; returns its median deviation in %.

    Args:
        name: The way.
        ratios: Its ratios [repeats, networks].
        truth: Ratios of the long run [networks].
    """
    taus = [float(kendalltau(each, truth).statistic) for each in ratios]
    off = np.abs(np.log(ratios[:, 1:] / np.median(ratios[:, 1:], axis=0)))
    typical, bad = (100 * float(np.quantile(off, share)) for share in (0.5, 0.9))
    print(
        f"  {name:20} Kendall {statistics.median(taus):.3f} (least {min(taus):.3f}), "
        f"repeats within {typical:.1f} % (median), {bad:.1f} % (90th percentile)"
    )
    return typical


def _cost(networks: Networks, folder: Path) -> None:
    """Prints the time of each step of one candidate's measurement, in a warm process."""
    subject = networks.subjects[1]
    reference_panel(subject.runtime, subject.options, subject.data.shape)
    steps: dict[str, Callable[[], Any]] = {
        "export": lambda: OnnxRuntime.export(subject.model, subject.data.shape, folder / "c.onnx"),
        "load": lambda: OnnxRuntime.load(subject.artifact.path, subject.options),
        "latency": lambda: networks.candidate(1),
        "size": lambda: Size.measure(subject, Size.Params(), "validation"),
    }
    spent = {}
    for name, step in steps.items():
        begun = time.perf_counter()
        step()
        spent[name] = time.perf_counter() - begun
    steps_text = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items())
    print(f"  one candidate: {sum(spent.values()):.2f} s ({steps_text}; aim: at most 3 s)")


def main() -> None:
    """Compares the ways to measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--networks", type=int, default=len(NETWORKS))
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of one measurement")
    parser.add_argument("--truth", type=float, default=240.0, help="seconds of the long run")
    torch.set_num_threads(1)
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
