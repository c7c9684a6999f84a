"""The cost of a log: calls of exported networks with a log, and the same calls without.

Calls with and without a log alternate in blocks, so that the machine's drift cancels. A "line" is a
call with `sample=1`; "default" writes as long as that takes at most 2 % of the time. `--runs N`
also prints the share of false alarms of `paretune monitor` on N calm streams of digits, and how
many drifted ones it finds.

Target: a ratio of at most 1.1 by default, for calls of a millisecond or more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))  # support

from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.export.monitoring_reference import sketch
from paretune.search.export.standalone_log import call_log
from paretune.search.monitoring.drift import drifts
from paretune.search.monitoring.monitor import MonitorRequest, monitor
from support.logged_exports import FILE, digits, part_of, write_logged_export

BLOCK = 0.2
"""Seconds of one block of calls."""

Side = tuple[Callable[[], object], Callable[[], object]]
"""A call, and what is done before a block of them."""


def network(width: int, depth: int) -> nn.Module:
    """Returns a plain network for images of 64x64 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def calls_of(folder: Path, model: nn.Module, batch: int) -> dict[str, Side]:
    """Returns a call of the network without a log, with a line each, and with the default."""
    torch.manual_seed(0)
    OnnxRuntime.export(model.eval(), (3, 64, 64), folder / FILE)
    session = OnnxRuntime.load(folder / FILE, OnnxRuntime.Params(threads=1))
    inputs = np.random.default_rng(0).random((batch, 3, 64, 64), dtype=np.float32)
    about = {"kind": "class", "inputs": [{"name": "input"}], "runtime": "x", "packages": ["numpy"]}

    def logged(options: dict[str, Any]) -> Side:
        log = call_log(str(folder / FILE), folder / "calls.jsonl", about, options)

        def call() -> None:
            start = time.perf_counter()
            logits = session(inputs)
            log(time.perf_counter() - start, [inputs], [logits], logits, None)

        def begin() -> None:  # while other blocks ran, time for lines was saved up
            log._credit, log._seen = 0.0, time.perf_counter()

        return call, begin

    return {
        "plain": (lambda: session(inputs), lambda: None),
        "line": logged({"sample": 1}),
        "default": logged({}),
    }


def seconds_of(side: Side) -> float:
    """Returns the mean seconds of a call in one block."""
    call, begin = side
    begin()
    count, end, start = 0, time.perf_counter() + BLOCK, time.perf_counter()
    while time.perf_counter() < end:
        call()
        count += 1
    return (time.perf_counter() - start) / count


def ratios(calls: dict[str, Side], blocks: int) -> tuple[float, dict[str, float]]:
    """Returns the plain call's milliseconds, and the ratio of the others to it."""
    for side in calls.values():
        seconds_of(side)  # warm-up
    rounds = [{name: seconds_of(side) for name, side in calls.items()} for _ in range(blocks)]
    plain = statistics.median(each["plain"] for each in rounds)
    return 1000 * plain, {
        name: statistics.median(each[name] / each["plain"] for each in rounds)
        for name in calls
        if name != "plain"
    }


def alarm_rates(folder: Path, runs: int) -> dict[str, float]:
    """Returns the share of streams of 200 digits that raise an alarm, by kind.

    Each run draws another reference and another stream from the images of both parts.
    """
    exported = write_logged_export(folder / "exported")
    parts = [part_of(digits(), part) for part in ("validation", "test")]
    images, labels = (np.concatenate(each) for each in zip(*parts, strict=True))
    random, count = np.random.default_rng(0), len(parts[0][0])
    noise = np.clip(images + random.normal(0, 40, images.shape), 0, 255).astype(np.uint8)
    streams = {
        "calm": images,
        "noise": noise,
        "shift": np.roll(images, 1, axis=3),
        "contrast": (images * 0.6).astype(np.uint8),
    }
    tables = {kind: _statistics(exported, folder, each) for kind, each in streams.items()}
    alarms = dict.fromkeys([*streams, "classes"], 0)
    for _ in range(runs):
        rows = random.permutation(len(images))
        first, rest = rows[:count], rows[count:]
        reference = {k: sketch(k, _listed(v[first])) for k, v in tables["calm"].items()}
        weights = np.where(labels[rest] < 3, 3.0, 1.0)
        mixed = random.choice(rest, 200, p=weights / weights.sum())
        for kind in alarms:
            table = tables["calm" if kind == "classes" else kind]
            chosen = mixed if kind == "classes" else rest[:200]
            found = drifts(reference, {k: v[chosen] for k, v in table.items()})
            alarms[kind] += any(row.level == "off" for row in found)
    return {kind: number / runs for kind, number in alarms.items()}


def _statistics(exported: Path, folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    from support.logged_exports import run_stream

    log = folder / "stream.jsonl"
    log.unlink(missing_ok=True)
    run_stream(exported, log, images, batch=32)
    return dict(monitor(MonitorRequest(exported, log)).records.statistics)


def _listed(values: np.ndarray) -> list[Any]:
    return [int(value) if float(value).is_integer() else float(value) for value in values]


def main() -> None:
    """Prints the ratios, and the rates of alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--runs", type=int, default=0)
    options = parser.parse_args()
    sizes = SimpleNamespace(tiny=(4, 0), small=(16, 2), middle=(48, 6))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for size, shape in vars(sizes).items():
            for batch in (1, 32):
                ms, found = ratios(calls_of(folder, network(*shape), batch), options.blocks)
                name = f"{size} network, batch {batch}, {ms:.3f} ms"
                for side, ratio in found.items():
                    print(f"  RATIO {name}, log ({side}) to no log: {ratio:.3f}")
        if options.runs:
            for kind, share in alarm_rates(folder, options.runs).items():
                print(f"  {kind}: an alarm in {100 * share:.1f} % of {options.runs} streams")


if __name__ == "__main__":
    main()
