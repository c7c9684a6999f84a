"""Visits of several artifacts in turn, in blocks spread over a session, and what they say."""

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
from paretune.objectives.timing.estimates import Estimate, beside, mean_of, quantile, statistic
from paretune.objectives.timing.inputs import validation_batch
from paretune.objectives.timing.reference_networks import panel
from paretune.objectives.timing.runs import TimedRuns, steady

BLOCKS = 64
"""Parts of a session, each with sessions of its own where they are quick to load: how far their
figures lie apart is what the interval comes from."""

LEAST_BLOCKS = 4

LEAST_ROUNDS = 1
"""Visits of each in a block."""

LOADING = 0.2
"""Share of the time that may go into loading anew."""

NEARLY = 1.1
"""An interval of so many times what more visits cannot narrow is as narrow as it gets."""

CALIBRATION = 3
"""The baseline's measurement gets so many times the time: every other one rests on it."""

PATIENCE = 2
"""So many times the time may be spent where a host is disturbed, to find calm blocks."""

LEVEL = 0.25
"""Two medians have the ratio of their lower quartiles, of runs that had the processor: the quartile
repeated better (0.6 % beside 1.0 %) in one minute of a loaded host, by which it was chosen."""


class TimingRounds:
    """Visits of all subjects, of the baseline and of the references, in turn.

    Args:
        subjects: Of one study.
        params: Of `Latency`.
        known: Gives the logarithms of the references' ratios to the baseline, once the panel is
            there; None where they are not known.

    Attributes:
        id: Of this session, in which all are visited in turn.
        ours: Runs of the subjects.
        base: Of the baseline; None where the subject is the baseline.
        panel: Of the references; empty where there are none, with the reason in `alone`.
        warm: Runs that each subject took to settle.
    """

    def __init__(
        self, subjects: Sequence[Subject], params: Any, known: Callable[[], Sequence[float] | None]
    ) -> None:
        first = subjects[0]
        inputs = validation_batch(first.data, params.batch)
        self._params = params
        self._pin = getattr(first.options, "threads", 0) == 1
        self.id = uuid.uuid4().hex
        self.probe = ContentionProbe()

        def runs(path: Any) -> TimedRuns:
            return TimedRuns(lambda: first.runtime.load(path, first.options), inputs, self.probe)

        self.ours = [runs(subject.artifact.path) for subject in subjects]
        self.base = runs(first.baseline.path) if first.baseline else None
        self.panel: list[TimedRuns] = []
        self.alone: str | None = None if params.references else "references: false"
        if params.references:
            try:
                loaders = panel(first.runtime, first.options, first.data.shape)
                self.panel = [TimedRuns(load, inputs, self.probe) for load in loaders]
            except Unmeasurable as error:
                self.alone = str(error)
        self.known = known() if self.panel else None
        self.warm: list[int] = []
        self._calm: list[bool] = []

    def run(self, rest: Callable[[float], object]) -> None:
        """Visits until every interval is narrow enough or the time is spent.

        Args:
            rest: Waits for some seconds, between two blocks that are to be spread over time.
        """
        seconds = self._params.seconds * len(self.ours)
        if self.base is None and self.panel:
            seconds *= CALIBRATION
        begun = time.perf_counter()
        with steady(self._pin):
            for runs in (self.base, *self.panel):
                if runs:
                    runs.warm_up(0.05)
            self.warm = [runs.warm_up() for runs in self.ours]
        spent, loading = time.perf_counter() - begun, 0.0
        while not self._enough(spent, seconds):
            begun = time.perf_counter()
            if self._calm and loading <= LOADING * spent:
                for runs in self._all():
                    runs.renew()
                loading += time.perf_counter() - begun
            with steady(self._pin):
                self._block(seconds / BLOCKS)
            took = time.perf_counter() - begun
            spent += took
            if self._params.spread and not self._enough(spent, seconds):
                rest(max(0.0, self._params.spread / BLOCKS - took))

    def _all(self) -> list[TimedRuns]:
        return [runs for runs in (self.base, *self.panel, *self.ours) if runs]

    def _block(self, seconds: float) -> None:
        """Visits in turn; who had the processor too seldom is visited again, for a while."""
        order = self._all()
        for runs in order:
            runs.begin()
        begun = time.perf_counter()
        rounds = 0
        while order:
            for runs in order:
                runs.visit()
            order.reverse()  # who begins changes
            rounds += 1
            spent = time.perf_counter() - begun
            if rounds >= LEAST_ROUNDS and spent >= seconds:
                self.probe.learn(self.ours[0].blocks[-1].probe)
                lacking = [runs for runs in order if not runs.calm(-1)]
                order = lacking if spent < PATIENCE * seconds else []
        everyone = self._all()
        for runs in everyone:
            self.probe.learn(runs.blocks[-1].probe)
        places = range(len(everyone[0].blocks))
        self._calm = [all(runs.calm(place) for runs in everyone) for place in places]

    def _enough(self, spent: float, seconds: float) -> bool:
        blocks, calm = len(self._calm), sum(self._calm)
        if blocks < (BLOCKS if self._params.spread else LEAST_BLOCKS):
            return False
        if spent >= seconds:
            return calm >= LEAST_BLOCKS or spent >= PATIENCE * seconds
        return (
            calm >= LEAST_BLOCKS
            and not self._params.spread
            and self.calibrated()
            and all(self.precise(place) for place in range(len(self.ours)))
        )

    @property
    def disturbed(self) -> bool:
        """Whether too little of the session was calm."""
        return sum(self._calm) < LEAST_BLOCKS

    def used(self) -> list[int]:
        """The blocks that count: the calm ones, or all where those are too few."""
        calm = [place for place, calm in enumerate(self._calm) if calm]
        return calm if len(calm) >= LEAST_BLOCKS else list(range(len(self._calm)))

    def precise(self, place: int) -> bool:
        """Whether a subject's interval is as narrow as wanted, or as it gets."""
        found = self.estimate(place)
        return found.half <= max(math.log1p(self._params.precision), NEARLY * found.least)

    def calibrated(self) -> bool:
        """Whether the references' ratios to the baseline, where it is measured, are narrow too."""
        if self.base is not None:
            return True
        own = self.levels(self.ours[0])
        wanted = math.log1p(self._params.precision) / 2
        return all(mean_of(_minus(self.levels(other), own)).half <= wanted for other in self.panel)

    def estimate(self, place: int) -> Estimate:
        """Log of a subject's ratio to the baseline, or of its milliseconds where it has none."""
        if self.base is None:
            return mean_of(self.levels(self.ours[place], self._params.statistic))
        own, base = self.levels(self.ours[place]), self.levels(self.base)
        if self.known is None:
            return mean_of(_minus(own, base))
        return beside(own, [*map(self.levels, self.panel), base], [*self.known, 0.0])

    def levels(self, runs: TimedRuns, which: str | None = None) -> list[float]:
        """Log of what two networks are compared by, or of a statistic, in each block."""
        which = which or ("level" if self._params.statistic == "p50" else self._params.statistic)
        return [
            math.log(quantile(good, LEVEL) if which == "level" else statistic(good, which))
            for good in runs.counted(self.used())
        ]

    def ratios(self, runs: TimedRuns) -> list[float]:
        """Log of each reference's ratio to a network that was visited with it."""
        own = self.levels(runs)
        return [statistics.fmean(_minus(self.levels(other), own)) for other in self.panel]

    def session(self, place: int) -> Mapping[str, Any]:
        """What two subjects of this session are compared by."""
        return {"id": self.id, "log_levels": self.levels(self.ours[place])}


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]
