"""Throughput of the artifact: how many inputs several sessions get through together."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject
from paretune.objectives.host import cores, load_average
from paretune.objectives.params import Params as Base
from paretune.objectives.timing.estimates import median_of
from paretune.objectives.timing.inputs import validation_batch

WINDOWS = 16
"""Of which each gives a rate; the value is their median."""

LEAST_RUNS = 3
"""Of each session in a window."""


class Throughput:
    """Inputs per second of several sessions at once, each in a thread of its own."""

    name = "throughput"
    unit = "inputs/s"
    better: Better = "higher"
    cost = 2

    class Params(Base):
        """Options of throughput."""

        replicas: int = Field(1, ge=1, le=256, description="sessions that run at once")
        batch: int = Field(32, ge=1, le=65536, description="examples in one run")
        seconds: float = Field(2.0, gt=0, le=3600, description="the time spent on it")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Loads `replicas` sessions and lets them run; the interval is that of the windows.

        Runtimes let other threads go on while they compute, so threads do as well as processes.

        Raises:
            Unmeasurable: There are no inputs, or the runtime cannot load the artifact.
        """
        inputs = validation_batch(subject.data, params.batch)
        sessions = [
            subject.runtime.load(subject.artifact.path, subject.options)
            for _ in range(params.replicas)
        ]
        for session in sessions:
            for _ in range(LEAST_RUNS):
                session(inputs)
        rates = [
            _window(sessions, inputs, params.seconds / WINDOWS) * params.batch
            for _ in range(WINDOWS)
        ]
        found = median_of(rates)
        conditions = {
            "replicas": params.replicas,
            "batch": params.batch,
            "shape": list(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "cores": cores(),
            "windows": WINDOWS,
            "mean": statistics.fmean(rates),
            "load_average": load_average(),
        }
        low, high = max(0.0, found.value - found.half), found.value + found.half
        name, unit = Throughput.name, Throughput.unit
        return Measurement(
            name, found.value, unit, Throughput.better, low, high, WINDOWS, conditions
        )


def _window(sessions: Sequence[Callable[[Any], Any]], inputs: Any, seconds: float) -> float:
    """Runs per second of all sessions together: the sum of what each does in its own time.

    Raises:
        Exception: What a session raised.
    """
    rates: list[float] = []
    errors: list[Exception] = []
    together = threading.Barrier(len(sessions))

    def run(session: Callable[[Any], Any]) -> None:
        together.wait()
        begun, runs = time.perf_counter(), 0
        try:
            while time.perf_counter() - begun < seconds or runs < LEAST_RUNS:
                session(inputs)
                runs += 1
        except Exception as error:  # for the thread that asked
            errors.append(error)
        rates.append(runs / max(time.perf_counter() - begun, 1e-9))

    threads = [threading.Thread(target=run, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(rates)
