"""Divides the time of an optimization into rounds, and keeps what its end needs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from paretune.search.errors import UserError
from paretune.search.study.durations import duration
from paretune.search.study.records import TrialRecord

FEW_TRIALS, MANY_TRIALS = 4, 40
"""Fewer trials than this are one round; each further MANY_TRIALS make one more round."""

ROUNDS, MOST_ROUNDS = 3, 6
"""Number of rounds, and the largest."""

FINAL_SHARE, SHORTEST_FINAL, LONGEST_FINAL = 0.05, 2.0, 60.0
"""The final session as a share of the time, and its bounds in seconds."""

CHECKS = 15.0
"""Seconds of an export's checks in clean processes, without the measurements."""

MEASURED_AGAIN = 3
"""Times that an export deploys and measures a file."""


@dataclass(frozen=True)
class TrialTime:
    """How long a trial takes with all its epochs.

    Attributes:
        baseline: Seconds of the baseline; 0 if it is measured already.
        training: Seconds that a trial trains.
        rest: Seconds that it deploys and measures.
    """

    baseline: float
    training: float
    rest: float

    @property
    def seconds(self) -> float:
        """Seconds of a trial."""
        return self.training + self.rest

    @property
    def training_share(self) -> float:
        """Share of its training."""
        return self.training / self.seconds if self.seconds else 0.0

    def at(self, share: float) -> float:
        """Returns the seconds of a trial with this share of the epochs."""
        return share * self.training + self.rest


def final_seconds(total: float) -> float:
    """Returns the length of the final session."""
    return min(LONGEST_FINAL, max(SHORTEST_FINAL, FINAL_SHARE * total))


def reserved(total: float, rest: float) -> float:
    """Returns the seconds that the end needs: the final session, and the verified export.

    Args:
        total: All seconds of the optimization.
        rest: Seconds that a trial deploys and measures.
    """
    return final_seconds(total) + CHECKS + MEASURED_AGAIN * rest


def refuse_short_time(total: float, spent: float, time: TrialTime) -> None:
    """Refuses a time that is too short for the baseline, one trial and the export.

    Args:
        total: All seconds of the optimization.
        spent: Seconds that are spent already.
        time: How long a trial takes.

    Raises:
        UserError: It is too short; the text says what is needed.
    """
    end = reserved(total, time.rest)
    needed = spent + time.baseline + time.seconds + end
    if needed <= total:
        return
    parts = [
        *([f"{duration(spent)} are spent"] if spent >= 0.5 else []),
        *([f"{duration(time.baseline)} for the baseline"] if time.baseline else []),
        f"{duration(time.seconds)} for a trial",
        f"{duration(end)} for the final session and the verified export",
    ]
    raise UserError(
        f"--time {total:.0f}s is too short for the baseline and one trial: {', '.join(parts)}; "
        f"give at least --time {_rounded_up(1.1 * needed)}"
    )


def _rounded_up(seconds: float) -> str:
    """Returns a time as --time takes it, not shorter: `90s`, `12m`, `3h`."""
    if seconds <= 120:
        return f"{10 * -(-seconds // 10):.0f}s"
    return f"{-(-seconds // 60):.0f}m" if seconds <= 7200 else f"{-(-seconds // 3600):.0f}h"


def number_of_rounds(seconds: float, trial: float) -> int:
    """Returns how many rounds to plan.

    Args:
        seconds: Time for all trials.
        trial: Seconds of a trial with all epochs.
    """
    trials = seconds / max(trial, 1e-6)
    if trials < FEW_TRIALS:
        return 1
    return min(MOST_ROUNDS, ROUNDS + int(trials // MANY_TRIALS))


def round_seconds(remaining: float, rounds_left: int, trial: float) -> float:
    """Returns the time of the next round: an equal part of the rest, but one trial at least."""
    return min(remaining, max(remaining / max(1, rounds_left), trial))


def measured_trial_time(trials: Sequence[TrialRecord], full_share: float) -> TrialTime | None:
    """Returns how long trials took, scaled to all epochs; None if none was complete.

    Args:
        trials: The trials of a round.
        full_share: Share of the full epochs that they trained.
    """
    timed = [
        trial
        for trial in trials
        if trial.measured_now and trial.repeat_of is None and trial.seconds
    ]
    if not timed:
        return None
    training = [training_seconds(trial) for trial in timed]
    rest = [sum(s for k, s in t.seconds.items() if k not in TRAINING) for t in timed]
    return TrialTime(0.0, statistics.median(training) / full_share, statistics.median(rest))


def training_seconds(trial: TrialRecord) -> float:
    """Returns how long a trial trained."""
    return sum(trial.seconds.get(stage, 0.0) for stage in TRAINING)


TRAINING = ("pretrain", "elastic", "subnet", "prune", "finetune", "quantize", "evaluate")
"""The stages of a trial that may train."""
