"""Times several artifacts in turn on this host, in blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paretune.objectives.base import Subject
from paretune.objectives.calm import calm
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import fingerprint, frequency, load_average
from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.gpu_clocks import clocks
from paretune.objectives.timing.inputs import validation_batch
from paretune.objectives.timing.reference_networks import reference_inputs, reference_panel
from paretune.objectives.timing.round_estimates import (
    BLOCKS,
    LOADING,
    RoundEstimates,
)
from paretune.objectives.timing.runs import TimedRuns, steady

LEAST_ROUNDS = 1
"""Rounds in a block."""


class TimingRounds(RoundEstimates):
    """Visits all subjects, the baseline and the reference networks in turn.

    Args:
        subjects: Artifacts of one study, with the same runtime, options, data and baseline.
        params: Options of `Latency`.
        known_ratios: Called with the conditions of this host; returns the logarithms of the
            references' ratios to the baseline, or None if they were not measured here.
    """

    subjects: list[TimedRuns]
    baseline: TimedRuns | None
    references: list[TimedRuns]

    def __init__(
        self,
        subjects: Sequence[Subject],
        params: Any,
        known_ratios: Callable[[Mapping[str, Any]], Sequence[float] | None],
    ) -> None:
        super().__init__(params)
        first = subjects[0]
        inputs = validation_batch(first.data, params.batch)
        self._pin = getattr(first.options, "threads", 0) == 1
        self._on_cuda = _on_cuda(first.options)
        self.probe = ContentionProbe()

        def runs(path: Any) -> TimedRuns:
            return TimedRuns(lambda: first.runtime.load(path, first.options), inputs, self.probe)

        self.subjects = [runs(subject.artifact.path) for subject in subjects]
        self.baseline = runs(first.baseline.path) if first.baseline else None
        self.references = []
        if params.references:
            try:
                loaders = reference_panel(first.runtime, first.options, first.data.shape)
                images = reference_inputs(first.data.shape, params.batch) or inputs
                self.references = [TimedRuns(load, images, self.probe) for load in loaders]
            except Unmeasurable as error:
                self.why_no_references = str(error)
        self.known_ratios = known_ratios(self.place()) if self.references else None

    def place(self) -> dict[str, Any]:
        """Returns the conditions that name this host."""
        host = fingerprint()
        return {"host": host["host"], "cpu": host["cpu"]}

    def machine(self) -> dict[str, Any]:
        """Returns the conditions of this host now."""
        return {
            "load_average": load_average(),
            "frequency_mhz": frequency(),
            "clocks": clocks() if self._on_cuda else None,
            "denormals": "flushed",
        }

    def run(self, pause: Callable[[float], object]) -> None:
        """Adds blocks until every interval is narrow enough or the time is spent.

        Args:
            pause: Waits for some seconds between two blocks, with the option `spread`.
        """
        seconds = self.seconds
        begun = time.perf_counter()
        with steady(self._pin):
            for runs in (self.baseline, *self.references):
                if runs:
                    runs.warm_up(0.05)
            self.warm_up_runs = [runs.warm_up() for runs in self.subjects]
        spent, loading = time.perf_counter() - begun, 0.0
        while not self.is_enough(spent, seconds):
            begun = time.perf_counter()
            if self._calm and loading <= LOADING * spent:
                for runs in self.networks():
                    runs.reload()
                loading += time.perf_counter() - begun
            with steady(self._pin):
                self._run_block(seconds / BLOCKS)
            took = time.perf_counter() - begun
            spent += took
            left = self.longest(seconds) - spent
            calm.tell("looks for calm moments on a busy host", left, spent - seconds)
            if self._params.spread and not self.is_enough(spent, seconds):
                pause(max(0.0, self._params.spread / BLOCKS - took))
        calm.tell_end()
        if spent > seconds or not self.disturbed:
            calm.overtime_pays = not self.disturbed

    def longest(self, seconds: float) -> float:
        """Returns how long rounds may take on a disturbed host: longer, unless that was in vain."""
        return super().longest(seconds) if calm.overtime_pays else seconds

    def networks(self) -> list[TimedRuns]:  # type: ignore[override]  # a list of its own
        """Returns the runs of all networks: baseline, references, subjects."""
        return [runs for runs in (self.baseline, *self.references, *self.subjects) if runs]

    def _run_block(self, seconds: float) -> None:
        """Makes rounds for some seconds.

        Networks that then lack undisturbed runs are visited again, for up to PATIENCE times as long
        in all if the measurement waits for calm.
        """
        order = self.networks()
        for runs in order:
            runs.begin_block()
        begun = time.perf_counter()
        rounds = 0
        while order:
            for runs in order:
                runs.visit()
            order.reverse()  # the next round starts with another network
            rounds += 1
            spent = time.perf_counter() - begun
            if rounds >= LEAST_ROUNDS and spent >= seconds:
                self.probe.learn(self.subjects[0].blocks[-1].probe)
                lacking = [runs for runs in order if not runs.is_calm(-1)]
                order = lacking if spent < self.longest(seconds) else []
        for runs in self.networks():
            self.probe.learn(runs.blocks[-1].probe)
        self.judge()


def _on_cuda(options: Any) -> bool:
    device = getattr(options, "device", None) or getattr(options, "provider", None)
    return device in ("cuda", "tensorrt")
