"""Times several artifacts in turn, in blocks, and estimates their levels."""

from __future__ import annotations

import math
import statistics
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.estimates import (
    Estimate,
    level_from_references,
    mean_of,
    outlying,
    quantile,
    statistic,
)
from paretune.objectives.timing.inputs import validation_batch
from paretune.objectives.timing.reference_networks import reference_inputs, reference_panel
from paretune.objectives.timing.runs import TimedRuns, steady

BLOCKS = 64
"""Blocks of a session that takes all its time. The interval comes from the scatter of the blocks,
each of which loads the networks again if that is quick."""

LEAST_BLOCKS = 4
"""Fewest blocks of a session. It is disturbed if fewer of its blocks are calm."""

LEAST_ROUNDS = 1
"""Rounds in a block."""

LOADING = 0.2
"""Largest share of the time that is spent on loading networks again."""

NEAR_FLOOR = 1.1
"""An interval is as narrow as it gets if it is at most this times its floor: the part that more
visits do not reduce."""

CALIBRATION = 3
"""The baseline is measured this many times as long, because all later measurements use it."""

PATIENCE = 2
"""On a disturbed host a session may take up to this times its time, to find calm blocks."""

LEVEL = 0.25
"""The ratio of two medians is estimated by the ratio of the lower quartiles of undisturbed runs. In
one minute on a loaded host, by which it was chosen, the quartile repeated better than the median:
to 0.6 % against 1.0 %."""


class TimingRounds:
    """Visits all subjects, the baseline and the reference networks in turn.

    A level is the logarithm of what networks are compared by, in one block: the lower quartile of
    the runs that count (for p50), or the statistic that the options name.

    Args:
        subjects: Artifacts of one study, with the same runtime, options, data and baseline.
        params: Options of `Latency`.
        known_ratios: Returns the logarithms of the references' ratios to the baseline, or None if
            they were not measured. Called after the panel is made.

    Attributes:
        id: Identifies this session.
        subjects: Runs of each subject.
        baseline: Runs of the baseline; None if the subject is the baseline.
        references: Runs of the reference networks; empty if there are none.
        why_no_references: The reason why there are no references, else None.
        known_ratios: Logarithms of the references' ratios to the baseline; None if unknown.
        warm_up_runs: Runs that each subject took to warm up.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        params: Any,
        known_ratios: Callable[[], Sequence[float] | None],
    ) -> None:
        first = subjects[0]
        inputs = validation_batch(first.data, params.batch)
        self._params = params
        self._pin = getattr(first.options, "threads", 0) == 1
        self.id = uuid.uuid4().hex
        self.probe = ContentionProbe()

        def runs(path: Any) -> TimedRuns:
            return TimedRuns(lambda: first.runtime.load(path, first.options), inputs, self.probe)

        self.subjects = [runs(subject.artifact.path) for subject in subjects]
        self.baseline = runs(first.baseline.path) if first.baseline else None
        self.references: list[TimedRuns] = []
        self.why_no_references: str | None = None if params.references else "references: false"
        if params.references:
            try:
                loaders = reference_panel(first.runtime, first.options, first.data.shape)
                images = reference_inputs(first.data.shape, params.batch) or inputs
                self.references = [TimedRuns(load, images, self.probe) for load in loaders]
            except Unmeasurable as error:
                self.why_no_references = str(error)
        self.known_ratios = known_ratios() if self.references else None
        self.warm_up_runs: list[int] = []
        self._calm: list[bool] = []

    def run(self, pause: Callable[[float], object]) -> None:
        """Adds blocks until every interval is narrow enough or the time is spent.

        Args:
            pause: Waits for some seconds between two blocks, with the option `spread`.
        """
        seconds = self._params.seconds * len(self.subjects)
        if self.baseline is None and self.references:
            seconds *= CALIBRATION
        begun = time.perf_counter()
        with steady(self._pin):
            for runs in (self.baseline, *self.references):
                if runs:
                    runs.warm_up(0.05)
            self.warm_up_runs = [runs.warm_up() for runs in self.subjects]
        spent, loading = time.perf_counter() - begun, 0.0
        while not self._enough(spent, seconds):
            begun = time.perf_counter()
            if self._calm and loading <= LOADING * spent:
                for runs in self._all_runs():
                    runs.reload()
                loading += time.perf_counter() - begun
            with steady(self._pin):
                self._run_block(seconds / BLOCKS)
            took = time.perf_counter() - begun
            spent += took
            if self._params.spread and not self._enough(spent, seconds):
                pause(max(0.0, self._params.spread / BLOCKS - took))

    def _all_runs(self) -> list[TimedRuns]:
        return [runs for runs in (self.baseline, *self.references, *self.subjects) if runs]

    def _run_block(self, seconds: float) -> None:
        """Makes rounds for some seconds.

        Networks that then lack undisturbed runs are visited again, for up to PATIENCE times as long
        in all.
        """
        order = self._all_runs()
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
                order = lacking if spent < PATIENCE * seconds else []
        all_runs = self._all_runs()
        for runs in all_runs:
            self.probe.learn(runs.blocks[-1].probe)
        # The probe's best may have fallen, so earlier blocks are judged again.
        blocks = range(len(all_runs[0].blocks))
        self._calm = [all(runs.is_calm(block) for runs in all_runs) for block in blocks]

    def _enough(self, spent: float, seconds: float) -> bool:
        """Returns whether no more blocks are needed, after `spent` of the allowed `seconds`."""
        blocks, calm = len(self._calm), sum(self._calm)
        if blocks < (BLOCKS if self._params.spread else LEAST_BLOCKS):
            return False
        if spent >= seconds:
            return calm >= LEAST_BLOCKS or spent >= PATIENCE * seconds
        return (
            calm >= LEAST_BLOCKS
            and not self._params.spread
            and self.is_calibrated()
            and all(self.is_precise(subject) for subject in range(len(self.subjects)))
        )

    @property
    def disturbed(self) -> bool:
        """Whether the session has too few calm blocks."""
        return sum(self._calm) < LEAST_BLOCKS

    def counted_blocks(self) -> list[int]:
        """Returns the blocks that count: the calm ones, or all if those are too few."""
        calm = [block for block, is_calm in enumerate(self._calm) if is_calm]
        return calm if len(calm) >= LEAST_BLOCKS else list(range(len(self._calm)))

    def is_precise(self, subject: int) -> bool:
        """Returns whether a subject's interval is as narrow as wanted, or as it gets."""
        estimate = self.estimate(subject)
        wanted = math.log1p(self._params.precision)
        return estimate.half <= max(wanted, NEAR_FLOOR * estimate.floor)

    def is_calibrated(self) -> bool:
        """Returns whether the references' ratios to the baseline have narrow intervals.

        True if the subject is not the baseline: then these ratios were measured before.
        """
        if self.baseline is not None:
            return True
        levels = self.log_levels(self.subjects[0])
        wanted = math.log1p(self._params.precision) / 2
        return all(
            mean_of(_minus(self.log_levels(reference), levels)).half <= wanted
            for reference in self.references
        )

    def estimate(self, subject: int) -> Estimate:
        """Returns the logarithm of a subject's ratio to the baseline.

        For the baseline itself it is the logarithm of its milliseconds.
        """
        runs = self.subjects[subject]
        if self.baseline is None:
            return mean_of(self.log_levels(runs, self._params.statistic))
        levels = self.log_levels(runs)
        if self.known_ratios is None:
            return mean_of(_minus(levels, self.log_levels(self.baseline)))
        return level_from_references(levels, *self._yardsticks())

    def left_out(self) -> int | None:
        """Returns the number of the reference that no estimate uses, because it moved alone."""
        if self.known_ratios is None:
            return None
        levels, known = self._yardsticks()
        return outlying([statistics.fmean(a) - b for a, b in zip(levels, known, strict=True)])

    def _yardsticks(self) -> tuple[list[list[float]], list[float]]:
        """Returns levels in this session, and known levels, of the references and the baseline.

        The baseline is one more reference; the logarithm of its ratio to itself is 0.
        """
        assert self.baseline is not None and self.known_ratios is not None
        levels = [*map(self.log_levels, self.references), self.log_levels(self.baseline)]
        return levels, [*self.known_ratios, 0.0]

    def log_levels(self, runs: TimedRuns, name: str | None = None) -> list[float]:
        """Returns a network's level in each block that counts, or the logarithm of a statistic."""
        name = name or ("level" if self._params.statistic == "p50" else self._params.statistic)
        return [
            math.log(quantile(block, LEVEL) if name == "level" else statistic(block, name))
            for block in runs.counted_ms(self.counted_blocks())
        ]

    def log_ratios(self, runs: TimedRuns) -> list[float]:
        """Returns the logarithm of each reference's ratio to a network of this session."""
        levels = self.log_levels(runs)
        return [
            statistics.fmean(_minus(self.log_levels(reference), levels))
            for reference in self.references
        ]

    def session(self, subject: int) -> Mapping[str, Any]:
        """Returns JSON by which `difference` compares subjects of this session."""
        return {"id": self.id, "log_levels": self.log_levels(self.subjects[subject])}


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]
