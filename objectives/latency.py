"""Latency of the artifact in its runtime, against the baseline and a panel of references.

A machine's speed drifts over seconds, by more than two candidates differ. So the candidate, the
baseline and the references are visited in turn, a few milliseconds each. What slows all of them
cancels in the ratio to the references; their own ratio to the baseline is known from the baseline's
measurement, and gives the ratio to it and the milliseconds. Runs that another process interrupted
do not count. The interval has two parts: the spread between the visits, and how far the references
have moved against each other since the baseline was measured, which is what a network moves by
itself on this host. On recorded visits such intervals held the long run's value 96 times of 100,
those from the spread alone 80 times.
"""

from __future__ import annotations

import math
import statistics
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from objectives.base import Better, Measurement, Subject, Unmeasurable
from objectives.batches import validation_batch
from objectives.estimates import Estimate, groups_of, median_of, quantile, statistic
from objectives.host import fingerprint, frequency, load_average
from objectives.params import Params
from objectives.references import NAMES, VERSION, panel
from objectives.runs import Runs, steady

LEAST_VISITS = 8
MOST_VISITS = 4000

CALIBRATION = 3
"""The baseline's measurement gets so many times the time: every other one rests on it."""

DISTURBED = 0.5
"""Share of interrupted runs from which on a measurement is marked."""

ALIKE = ("statistic", "batch", "shape", "runtime", "threads", "provider", "device", "host", "cpu")
"""Conditions that have to be those of the baseline's measurement, for its references to tell."""


class Latency:
    """Milliseconds for one batch, beside baseline and references so that drift cancels."""

    name = "latency"
    unit = "ms"
    better: Better = "lower"
    cost = 2

    class Params(Params):
        """Options of latency."""

        statistic: Literal["p50", "p90", "p99", "mean"] = Field(
            "p50", description="of the runs: median, a percentile, or the mean"
        )
        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        precision: float = Field(
            0.02, gt=0, lt=1, description="wanted half width of the 95 % interval, relative"
        )
        seconds: float = Field(2.0, gt=0, le=3600, description="the most that is spent on it")
        references: bool = Field(True, description="run small networks of known ratio beside it")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the artifact in turn with the references, and the baseline where there is one."""
        return Latency.together([subject], params)[0]

    @staticmethod
    def together(subjects: Sequence[Subject], params: Any) -> list[Measurement]:
        """Measures several artifacts of one study in the same visits: best to compare them.

        The time is `seconds` for each.

        Raises:
            Unmeasurable: There are no inputs.
        """
        rounds = _Rounds(subjects, params)
        with steady(pin=getattr(subjects[0].options, "threads", 0) == 1):
            warm = rounds.warm_up()
            rounds.run()
        return [
            _measurement(subject, params, rounds, place, warm[place])
            for place, subject in enumerate(subjects)
        ]


class _Rounds:
    """Visits of all subjects, of the baseline and of the references, in turn.

    Attributes:
        ours: Runs of the subjects.
        base: Of the baseline; None where the subject is the baseline.
        panel: Of the references; empty where there are none, with the reason in `alone`.
    """

    def __init__(self, subjects: Sequence[Subject], params: Any) -> None:
        first = subjects[0]
        inputs = validation_batch(first.data, params.batch)
        self._params = params
        self.id = uuid.uuid4().hex  # of this session, in which all are visited in turn

        def runs(path: Any) -> Runs:
            return Runs(first.runtime.load(path, first.options), inputs)

        self.ours = [runs(subject.artifact.path) for subject in subjects]
        self.base = runs(first.baseline.path) if first.baseline else None
        self.panel: list[Runs] = []
        self.alone: str | None = None if params.references else "references: false"
        if params.references:
            try:
                sessions = panel(first.runtime, first.options, first.data.shape)
                self.panel = [Runs(session, inputs) for session in sessions]
            except Unmeasurable as error:
                self.alone = str(error)
        known = first.reference.get(Latency.name)
        usable = known is not None and self.panel and _alike(known, conditions(first, params))
        self.known: Sequence[float] | None = (
            known.conditions["references"]["log_ratios"] if usable and known else None
        )

    def warm_up(self) -> list[int]:
        """Warms all up; gives the runs that each subject took."""
        for runs in (self.base, *self.panel):
            if runs:
                runs.warm_up(0.05)
        return [runs.warm_up() for runs in self.ours]

    def run(self) -> None:
        """Visits until every interval is narrow enough or the time is spent."""
        seconds = self._params.seconds * len(self.ours)
        if self.base is None and self.panel:
            seconds *= CALIBRATION
        order = [runs for runs in (self.base, *self.panel, *self.ours) if runs]
        begun, look_at = time.perf_counter(), 2 * LEAST_VISITS
        for count in range(1, MOST_VISITS + 1):
            for runs in order:
                runs.visit()
            order.reverse()  # who begins changes
            if count >= LEAST_VISITS and time.perf_counter() - begun >= seconds:
                return
            if count >= look_at:
                look_at = int(look_at * 1.3) + 1  # looking costs time too
                if all(self.precise(place) for place in range(len(self.ours))):
                    return

    def precise(self, place: int) -> bool:
        """Whether a subject's interval is as narrow as wanted."""
        return self.estimate(place).half <= math.log1p(self._params.precision)

    def estimate(self, place: int) -> Estimate:
        """Log of a subject's ratio to the baseline, or of its milliseconds where it has none."""
        own = self.levels(self.ours[place])
        if self.base is None:
            return median_of(own)
        if self.known is None:
            return median_of(_minus(own, self.levels(self.base)))
        panel = [self.levels(runs) for runs in self.panel]
        found = median_of(_minus(own, _mean(panel)))
        ratio = Estimate(found.value + math.fsum(self.known) / len(self.known), found.half)
        return ratio.wider(self.moved(panel))

    def moved(self, panel: Sequence[Sequence[float]]) -> float:
        """Root mean square of how far each reference moved against the others since `known`."""
        assert self.known is not None
        squares = []
        for place, own in enumerate(panel):
            others = _mean([levels for i, levels in enumerate(panel) if i != place])
            known = [ratio for i, ratio in enumerate(self.known) if i != place]
            before = self.known[place] - math.fsum(known) / len(known)
            squares.append((median_of(_minus(own, others)).value - before) ** 2)
        return math.sqrt(math.fsum(squares) / len(squares))

    def levels(self, runs: Runs) -> list[float]:
        """Log of the wanted statistic in each visit."""
        return [math.log(statistic(visit, self._params.statistic)) for visit in runs.visits]

    def ratios(self, runs: Runs) -> list[float]:
        """Log of each reference's ratio to a network that was visited with it."""
        own = self.levels(runs)
        return [median_of(_minus(self.levels(other), own)).value for other in self.panel]


def _measurement(
    subject: Subject, params: Any, rounds: _Rounds, place: int, warm: int
) -> Measurement:
    ours, found = rounds.ours[place], rounds.estimate(place)
    scale = subject.reference[Latency.name].value if rounds.base else 1.0
    value = math.exp(found.value) * scale
    base = rounds.base or ours
    levels = rounds.levels(ours)
    raw = {name: statistic(ours.all_ms, name) for name in ("p50", "p90", "p99", "mean")}
    share = ours.disturbed / ours.runs
    said = {
        **conditions(subject, params),
        "relative_to": "baseline" if rounds.base else None,
        "ratio": math.exp(found.value) if rounds.base else 1.0,
        "ratio_beside_baseline": math.exp(median_of(_minus(levels, rounds.levels(base))).value),
        "raw_ms": raw[params.statistic],
        "raw_baseline_ms": statistic(base.all_ms, params.statistic),
        **{f"{name}_ms": figure for name, figure in raw.items()},
        "iqr_ms": quantile(ours.all_ms, 0.75) - quantile(ours.all_ms, 0.25),
        "references": {
            "version": VERSION,
            "networks": list(NAMES[: len(rounds.panel)]),
            "log_ratios": rounds.ratios(ours),
            "used": rounds.known is not None,
            "why_none": rounds.alone,
        },
        "session": {
            "id": rounds.id,
            "log_levels": [statistics.median(group) for group in groups_of(levels)],
        },
        "visits": len(ours.visits),
        "disturbed": share,
        "disturbed_host": share > DISTURBED,
        "interruptions_seen": ours.clocked,
        "warm_up_runs": warm,
        "precise_enough": rounds.precise(place),
        "load_average": load_average(),
        "frequency_mhz": frequency(),
        "denormals": "flushed",
    }
    low, high = (value * math.exp(sign * found.half) for sign in (-1, 1))
    count = len(ours.all_ms)
    return Measurement(Latency.name, value, Latency.unit, Latency.better, low, high, count, said)


def conditions(subject: Subject, params: Any) -> dict[str, Any]:
    """What a timing depends on, besides the artifact."""
    host = fingerprint()
    return {
        "statistic": params.statistic,
        "batch": params.batch,
        "shape": list(subject.data.shape),
        "runtime": subject.runtime.name,
        **subject.options.model_dump(),
        "host": host["host"],
        "cpu": host["cpu"],
    }


def _alike(known: Measurement, now: Mapping[str, Any]) -> bool:
    """Whether the references were measured beside the baseline, in the same way and place."""
    then = known.conditions
    references = then.get("references") or {}
    same = all(then.get(name) == now.get(name) for name in ALIKE)
    return same and bool(references.get("networks")) and references["version"] == VERSION


def _minus(left: Sequence[float], right: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(left, right, strict=True)]


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(column) for column in zip(*rows, strict=True)]
