"""Estimates of a timing session: levels of the networks in blocks of rounds, and when to stop."""

from __future__ import annotations

import math
import statistics
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from paretune.objectives.calm import calm as host_calm
from paretune.objectives.timing.blocks import NetworkBlocks
from paretune.objectives.timing.estimates import (
    Estimate,
    level_from_references,
    mean_of,
    outlying,
    quantile,
    statistic,
)

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
"""On a disturbed host a session may take up to this times its time, to find calm blocks, if it may
wait for calm (`objectives.calm`)."""

LOOKING = 0.25
"""Share of its time in which the session of one network looks for calm blocks. If they are rare, it
ends with what it has: in the rest of the time, the intervals of seven small networks beside busy
neighbours fell from 9 % to 6 %, and their errors by less. A final session takes all its time."""

ROUGH = 0.1
"""Half width of the interval, relative, with which such a session may end."""

LEVEL = 0.25
"""The ratio of two medians is estimated by the ratio of the lower quartiles of undisturbed runs. In
one minute on a loaded host, by which it was chosen, the quartile repeated better than the median:
to 0.6 % against 1.0 %."""


class RoundEstimates:
    """A session in which networks take turns, on this host or on a device.

    A level is the logarithm of what networks are compared by, in one block: the lower quartile of
    the runs that count (for p50), or the statistic that the options name.

    Args:
        params: Options of `Latency`.

    Attributes:
        id: Identifies this session.
        subjects: Runs of each subject.
        baseline: Runs of the baseline; None if the subject is the baseline.
        references: Runs of the reference networks; empty if there are none.
        why_no_references: The reason why there are no references, else None.
        known_ratios: Logarithms of the references' ratios to the baseline; None if unknown.
        warm_up_runs: Runs that each subject took to warm up.
    """

    subjects: Sequence[NetworkBlocks]
    baseline: NetworkBlocks | None = None
    references: Sequence[NetworkBlocks] = ()

    def __init__(self, params: Any) -> None:
        self._params = params
        self.id = uuid.uuid4().hex
        self.why_no_references: str | None = None if params.references else "references: false"
        self.known_ratios: Sequence[float] | None = None
        self.warm_up_runs: list[int] = []
        self._calm: list[bool] = []

    def place(self) -> dict[str, Any]:
        """Returns the conditions that name the machine."""
        raise NotImplementedError

    def machine(self) -> dict[str, Any]:
        """Returns the conditions of the machine now."""
        raise NotImplementedError

    @property
    def best_ms(self) -> float:
        """Milliseconds of the contention probe on a core that is not shared."""
        return self.subjects[0].probe.best_ms

    @property
    def seconds(self) -> float:
        """Seconds that the session takes at most on a calm machine."""
        seconds: float = self._params.seconds * len(self.subjects)
        return seconds * (CALIBRATION if self.baseline is None and self.references else 1)

    def networks(self) -> list[NetworkBlocks]:
        """Returns the runs of all networks: baseline, references, subjects."""
        return [runs for runs in (self.baseline, *self.references, *self.subjects) if runs]

    def judge(self) -> None:
        """Decides which blocks are calm; the probe's best may have fallen since the last block."""
        networks = self.networks()
        blocks = range(len(networks[0].blocks))
        self._calm = [all(runs.is_calm(block) for runs in networks) for block in blocks]

    def is_enough(self, spent: float, seconds: float) -> bool:
        """Returns whether no more blocks are needed, after `spent` of the allowed `seconds`."""
        blocks, calm = len(self._calm), sum(self._calm)
        if blocks < (BLOCKS if self._params.spread else LEAST_BLOCKS):
            return False
        if spent >= seconds:
            return calm >= LEAST_BLOCKS or spent >= self.longest(seconds)
        if self._params.spread:
            return False
        if calm < LEAST_BLOCKS:
            return self._is_in_vain(spent, seconds)
        wanted = math.log1p(self._params.precision) / 2  # all later sessions use these ratios
        return self.is_calibrated(wanted) and all(map(self.is_precise, range(len(self.subjects))))

    def _is_in_vain(self, spent: float, seconds: float) -> bool:
        """Returns whether the rest of one network's session would hardly make it calm."""
        has_yardstick = self.baseline is not None or bool(self.references)
        if len(self.subjects) > 1 or not has_yardstick or spent < LOOKING * seconds:
            return False
        is_rare = sum(self._calm) * seconds < LEAST_BLOCKS * spent
        rough = math.log1p(ROUGH)
        return is_rare and self.estimate(0).half <= rough and self.is_calibrated(rough)

    def longest(self, seconds: float) -> float:
        """Returns how long rounds of some seconds may take on a disturbed machine."""
        return seconds + host_calm.limit((PATIENCE - 1) * seconds)

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

    def is_calibrated(self, wanted: float) -> bool:
        """Returns whether the references' ratios to the baseline have narrow intervals.

        True if the subject is not the baseline: then these ratios were measured before.

        Args:
            wanted: Half width of the intervals, as a logarithm.
        """
        if self.baseline is not None:
            return True
        levels = self.log_levels(self.subjects[0])
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

    def log_levels(self, runs: NetworkBlocks, name: str | None = None) -> list[float]:
        """Returns a network's level in each block that counts, or the logarithm of a statistic."""
        name = name or ("level" if self._params.statistic == "p50" else self._params.statistic)
        return [
            math.log(quantile(block, LEVEL) if name == "level" else statistic(block, name))
            for block in runs.counted_ms(self.counted_blocks())
        ]

    def log_ratios(self, runs: NetworkBlocks) -> list[float]:
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
