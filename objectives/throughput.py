"""The objective `throughput`: inputs per second of several sessions that run at once."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field

from paretune.inputs import sizes
from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.host import cores, load_average
from paretune.objectives.on_device.windows import device_throughput
from paretune.objectives.params import Params as Base
from paretune.objectives.timing.estimates import median_of
from paretune.objectives.timing.inputs import validation_batch

WINDOWS = 16
"""The time is split into windows. Each gives a rate, and the value is their median."""

LEAST_RUNS = 3
"""Runs that each session makes in a window at least."""


class Throughput:
    """Inputs per second of several sessions that run at once, each in its own thread."""

    name = "throughput"
    unit = "inputs/s"
    better: Better = "higher"
    cost = 2

    class Params(Base):
        """Options of throughput."""

        replicas: int = Field(1, ge=1, le=256, description="sessions that run at once")
        batch: int = Field(32, ge=1, le=65536, description="examples in one run")
        seconds: float = Field(2.0, gt=0, le=3600, description="seconds of measuring")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Loads `replicas` sessions and runs them; the interval is the scatter of the windows.

        Runtimes release Python's lock while they compute, so threads serve as well as processes.

        Raises:
            Unmeasurable: There are no inputs, or the runtime cannot load the artifact.
        """
        if subject.device is not None:
            return device_throughput(Throughput, subject, params, WINDOWS)
        inputs = validation_batch(subject.data, params.batch)
        sessions = [
            subject.runtime.load(subject.artifact.path, subject.options)
            for _ in range(params.replicas)
        ]
        for session in sessions:
            for _ in range(LEAST_RUNS):
                session(*inputs)
        rates = [
            _window(sessions, inputs, params.seconds / WINDOWS) * params.batch
            for _ in range(WINDOWS)
        ]
        rate = median_of(rates)
        conditions = {
            "replicas": params.replicas,
            "batch": params.batch,
            "shape": sizes(subject.data.shape),
            "runtime": subject.runtime.name,
            **subject.options.model_dump(),
            "cores": cores(),
            "windows": WINDOWS,
            "mean": statistics.fmean(rates),
            "load_average": load_average(),
        }
        interval = (max(0.0, rate.value - rate.half), rate.value + rate.half)
        return measurement(Throughput, rate.value, interval, WINDOWS, conditions)


def _window(sessions: Sequence[Callable[..., Any]], inputs: Sequence[Any], seconds: float) -> float:
    """Returns the runs per second of all sessions: the sum of their rates, each by its own clock.

    Raises:
        Exception: A session failed; its first exception is raised again.
    """
    rates: list[float] = []
    errors: list[Exception] = []
    start = threading.Barrier(len(sessions))

    def run(session: Callable[..., Any]) -> None:
        start.wait()
        begun, runs = time.perf_counter(), 0
        try:
            while time.perf_counter() - begun < seconds or runs < LEAST_RUNS:
                session(*inputs)
                runs += 1
        except Exception as error:  # raised again in the calling thread
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
