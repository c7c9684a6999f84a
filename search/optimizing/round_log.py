"""A round of an optimization as the database keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from paretune.search.optimizing.time_plan import TrialTime

RoundState = Literal["running", "done"]


@dataclass(frozen=True)
class RoundLog:
    """A round: its study, its time, and what it taught.

    Attributes:
        number: Number of the round; round 0 measures and profiles the baseline.
        state: Whether it runs, or is done.
        source: The study file as plain data, in this round.
        file: Digest of the study file on disk as plain data, to notice the user's changes.
        shares: Share of the full epochs that the trials of each planned round train.
        sentences: What was learned, and what is tried next and why. Empty while it runs.
        changes: What changes in the space after it, with the reasons.
        planned: Seconds that it may take.
        seconds: Seconds that it took so far, in all runs of the command.
        first: Number of its first trial; trials of an earlier run of the study come before.
        trials: Number of its trials.
        full: Name of a training's epochs -> the full number.
        trial: How long a trial takes with all epochs.
        bottleneck: The slowest layer of the baseline in words; None if it is not known.
        following: The study of the next round; None while this one runs.
        ended: Why no round follows; None if one does.
        exported: Folder of the verified export; None before.
    """

    number: int
    state: RoundState
    source: Mapping[str, Any]
    file: str
    shares: tuple[float, ...] = (1.0,)
    sentences: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    planned: float = 0.0
    seconds: float = 0.0
    first: int = 1
    trials: int = 0
    full: Mapping[str, int] = field(default_factory=dict)
    trial: TrialTime = field(default_factory=lambda: TrialTime(0.0, 0.0, 0.0))
    bottleneck: str | None = None
    following: Mapping[str, Any] | None = None
    ended: str | None = None
    exported: str | None = None

    def share(self, number: int) -> float:
        """Returns the share of the full epochs in a round; the last one after the planned ones."""
        if 1 <= number <= len(self.shares):
            return self.shares[number - 1]
        return max(1.0, self.shares[-1]) if self.shares else 1.0

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return {
            **asdict(self),
            "source": dict(self.source),
            "following": None if self.following is None else dict(self.following),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> RoundLog:
        """Returns the round that `to_json` wrote."""
        values = {name: content[name] for name in RoundLog.__dataclass_fields__ if name in content}
        for name in ("sentences", "changes", "shares"):
            values[name] = tuple(values.get(name, ()))
        return RoundLog(**{**values, "trial": TrialTime(**values["trial"])})
