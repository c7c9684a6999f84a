"""The device of a target: the board or phone that its files are measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

KEYS = ("device", "sustained", "scores")
"""The keys that stand beside a runtime in a study file."""

ScoresFrom = Literal["auto", "device"]


@dataclass(frozen=True)
class TargetDevice:
    """A device, and how it is measured.

    Attributes:
        address: How to reach it: `ssh://user@host`, `adb://serial` or `local://`.
        sustained: Seconds of load before the sustained latency is taken; None for none.
        scores: Where the outputs come from that accuracy and other scores are taken of. "device":
            all of them from the device. "auto": from this host, as long as the device gives the
            same outputs for some examples.
    """

    address: str
    sustained: float | None = None
    scores: ScoresFrom = "auto"

    def identity(self) -> dict[str, Any]:
        """Returns what decides the figures, as JSON.

        The address does not: a board may get another one. Which board it is, the run compares
        with the facts that the study keeps.
        """
        return {
            "device": True,
            **({} if self.sustained is None else {"sustained": self.sustained}),
            **({} if self.scores == "auto" else {"scores": self.scores}),
        }
