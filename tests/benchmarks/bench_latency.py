"""Rank agreement and repeatability of a latency: Paretune's measure beside the usual ones.

Twelve networks in ONNX Runtime (three families, two of them in int8) are measured again and again,
every other time beside a process that loads the host on and off, half of the times in a process of
its own. Nothing about the files changes, so whatever an answer says besides the long run's is
error. The long run: all twelve visited in turn, 12 ms each, half of it before and half after, the
runs that had the processor for themselves. The peers: the mean of 20 runs after 10 to warm up (as
Olive measures), and a single run (as Archai does), each as a ratio to the first network measured so
too.
`--networks 6 --repeats 4 --truth 20` is a short run, of about three minutes.

Agreement is Kendall's tau between an answer's order of the twelve and the long run's; repeatability
how far a network's ratio lies from its median over the repeats. Aims: 2 % and 0.95.
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
"""Seconds of the long run's visits, twice as long as those of a measurement."""

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
    """A process beside the body that loads the host on and off."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY, str(seed)])]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


class Networks:
    """The networks' files, and each way to measure their ratios to the first."""

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
        """Measures the baseline, as a study does first."""
        found = Latency.measure(self.subjects[0], self._params, "validation")
        self._reference = {Latency.name: found}

    def long_run(self, seconds: float) -> None:
        """Adds visits in turn to the long run."""
        probe = ContentionProbe()
        loads = [self._loader(subject) for subject in self.subjects]
        runs = [TimedRuns(load, self._image, probe) for load in loads]
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
                    for place in order:
                        runs[place].visit(VISIT)
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
        """The long run's ratios."""
        levels = np.array(self._levels)
        return np.median(levels / levels[0], axis=1)

    def ours(self, fresh: bool) -> list[float]:
        """As a study measures its candidates, here or in a process that has just begun."""
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

    def candidate(self, place: int) -> Measurement:
        """One network, as a study measures a candidate."""
        subjects, params = self._work()
        return candidate(subjects[place], params[place])

    def naive(self, warm: int, count: int) -> list[float]:
        """Mean of some runs after others."""
        found = []
        for session in self._sessions:
            for _ in range(warm):
                session(self._image)
            begun = time.perf_counter()
            for _ in range(count):
                session(self._image)
            found.append((time.perf_counter() - begun) / count)
        return [each / found[0] for each in found]


def candidate(subject: Subject, params: Any) -> Measurement:
    """One network's latency."""
    torch.set_num_threads(1)
    return Latency.measure(subject, params, "validation")


def compare(arguments: argparse.Namespace) -> None:
    """Measures in each way in each round, every other round beside noise, and prints."""
    answers: dict[str, list[list[float]]] = {}
    hits: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        networks = Networks(Path(folder), arguments.networks, arguments.seconds)
        networks.calibrate()
        networks.long_run(arguments.truth / 2)
        ways: dict[str, Callable[[bool], list[float]]] = {
            "Paretune": networks.ours,
            "mean of 20 after 10": lambda fresh: networks.naive(10, 20),
            "one run": lambda fresh: networks.naive(0, 1),
        }
        for round_ in range(arguments.repeats):
            with noise(round_) if round_ % 2 else contextlib.nullcontext():
                for name, way in ways.items():
                    answers.setdefault(name, []).append(way(round_ % 4 >= 2))
            scale = networks.last[0].value / networks.last[0].conditions["ratio"]
            hits += [(m.low / scale, m.high / scale, i) for i, m in enumerate(networks.last)]
        networks.long_run(arguments.truth / 2)
        truth = networks.truth()
        print(f"latency of {len(truth)} networks, {arguments.repeats} times, half beside noise")
        figures = {name: _line(name, np.array(found), truth) for name, found in answers.items()}
        inside = statistics.fmean(low <= truth[int(i)] <= high for low, high, i in hits)
        widths = [50 * np.log(high / low) for low, high, _ in hits]
        print(f"  intervals that hold the long run's ratio: {100 * inside:.0f} %", end="; ")
        print(f"half of one: {statistics.median(widths):.1f} % (median)")
        for name in list(figures)[1:]:
            ratio = figures["Paretune"] / figures[name]
            print(f"  RATIO of the deviations, Paretune / {name}: {ratio:.2f} (target: below 1)")
        _cost(networks, Path(folder))


def _line(name: str, found: np.ndarray, truth: np.ndarray) -> float:
    taus = [float(kendalltau(each, truth).statistic) for each in found]
    off = np.abs(np.log(found[:, 1:] / np.median(found[:, 1:], axis=0)))
    typical, bad = (100 * float(np.quantile(off, share)) for share in (0.5, 0.9))
    print(
        f"  {name:20} Kendall {statistics.median(taus):.3f} (least {min(taus):.3f}), "
        f"repeats within {typical:.1f} % (median), {bad:.1f} % (90th percentile)"
    )
    return typical


def _cost(networks: Networks, folder: Path) -> None:
    """Where the time of one candidate's measurement goes, in a warm process."""
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
    said = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in spent.items())
    print(f"  one candidate: {sum(spent.values()):.2f} s ({said}; aim: at most 3 s)")


def main() -> None:
    """Compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--networks", type=int, default=len(NETWORKS))
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--truth", type=float, default=240.0, help="seconds of the long run")
    torch.set_num_threads(1)
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
