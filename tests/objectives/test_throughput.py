"""Throughput: which sessions run at once, and what the value means, on a host of any speed."""

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

PATIENCE = 60
"""Seconds that a run waits until all replicas run at once."""


class WaitingRuntime:
    """A runtime with runs of 2 ms or more; it counts how many run at once.

    Outside of the warm-up, which the main thread makes, a run waits until `replicas` runs were in
    progress at the same time.
    """

    name = "waiting"

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self.inside = self.most = 0
        self.shapes: set[tuple[int, ...]] = set()
        self._changed = threading.Condition()

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        def run(inputs: np.ndarray) -> None:
            with self._changed:
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.shapes.add(inputs.shape)
                self._changed.notify_all()
                if threading.current_thread() is not threading.main_thread():
                    self._changed.wait_for(lambda: self.most >= self.replicas, PATIENCE)
            time.sleep(0.002)
            with self._changed:
                self.inside -= 1

        return run


@pytest.mark.parametrize("replicas", [1, 3])
def test_replicas_run_at_once_and_their_rates_add_up(
    make_subject: MakeSubject, replicas: int
) -> None:
    runtime = WaitingRuntime(replicas)
    params = Throughput.Params(replicas=replicas, batch=4, seconds=0.05)
    throughput = Throughput.measure(make_subject(runtime=runtime), params, "validation")
    assert runtime.most == replicas
    assert runtime.shapes == {(4, 1, 8, 8)}
    assert 0 < throughput.low <= throughput.value <= throughput.high
    assert throughput.value <= replicas * 4 / 0.002  # each run takes at least 2 ms
    assert (throughput.count, throughput.conditions["replicas"]) == (WINDOWS, replicas)


def test_error_of_a_session_is_raised_again(make_subject: MakeSubject) -> None:
    class FailingRuntime:
        name = "failing"
        runs = 0

        def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
            def run(inputs: np.ndarray) -> None:
                self.runs += 1
                if self.runs > 10:
                    raise RuntimeError("out of luck")

            return run

    params = Throughput.Params(replicas=2, seconds=0.05)
    with pytest.raises(RuntimeError, match="out of luck"):
        Throughput.measure(make_subject(runtime=FailingRuntime()), params, "validation")


def test_throughput_is_unmeasurable_without_examples(
    make_subject: MakeSubject, make_data: Callable[..., Any]
) -> None:
    with pytest.raises(Unmeasurable, match="the validation part has no examples"):
        Throughput.measure(make_subject(make_data(0)), Throughput.Params(), "validation")
