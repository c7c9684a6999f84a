"""Throughput: what runs at once, and what the number means. Nothing here depends on speed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.throughput import WINDOWS, Throughput

MakeSubject = Callable[..., Subject]


class Waiting:
    """A runtime whose runs wait 2 ms, as on a device, and that counts who waits at once."""

    name = "waiting"

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.shapes: set[tuple[int, ...]] = set()
        self._lock = threading.Lock()

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        def run(inputs: np.ndarray) -> None:
            with self._lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.shapes.add(inputs.shape)
            time.sleep(0.002)
            with self._lock:
                self.inside -= 1

        return run


@pytest.mark.parametrize("replicas", [1, 3])
def test_replicas_run_at_once_and_add_up(make_subject: MakeSubject, replicas: int) -> None:
    runtime = Waiting()
    params = Throughput.Params(replicas=replicas, batch=4, seconds=0.05)
    found = Throughput.measure(make_subject(runtime=runtime), params, "validation")
    assert runtime.most == replicas
    assert runtime.shapes == {(4, 1, 8, 8)}
    assert 0 < found.low <= found.value <= found.high
    assert found.value <= replicas * 4 / 0.002  # nobody waits less than he waits
    assert (found.count, found.conditions["replicas"]) == (WINDOWS, replicas)


def test_error_of_a_session_is_the_measurement_s(make_subject: MakeSubject) -> None:
    class Failing(Waiting):
        runs = 0

        def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
            def run(inputs: np.ndarray) -> None:
                self.runs += 1
                if self.runs > 10:
                    raise RuntimeError("out of luck")

            return run

    params = Throughput.Params(replicas=2, seconds=0.05)
    with pytest.raises(RuntimeError, match="out of luck"):
        Throughput.measure(make_subject(runtime=Failing()), params, "validation")


def test_throughput_without_examples_cannot_be_measured(
    make_subject: MakeSubject, make_data: Callable[..., Any]
) -> None:
    with pytest.raises(Unmeasurable, match="the validation part has no examples"):
        Throughput.measure(make_subject(make_data(0)), Throughput.Params(), "validation")
