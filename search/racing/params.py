"""How a study races: `search: {racing: {steps: 27}}`."""

from __future__ import annotations

from pydantic import Field

from spaces.params import Params


class RacingParams(Params):
    """Trials are compared while they train; those that fall behind wait for a later turn."""

    steps: int = Field(ge=2, le=1_000_000, description="that a whole training reports")
    first: int = Field(1, ge=1, le=1_000_000, description="step of the first comparison")
    eta: int = Field(
        3, ge=2, le=100, description="one of so many goes on, and the next comparison is so far"
    )

    @property
    def rungs(self) -> tuple[int, ...]:
        """The steps at which trials are compared: first, first x eta, ...; below `steps`."""
        found = []
        step = self.first
        while step < self.steps:
            found.append(step)
            step *= self.eta
        return tuple(found)

    def rung(self, step: int) -> int | None:
        """The rung at which a step counts: the highest up to it; None where there is none."""
        if step >= self.steps:
            return None  # the whole way: nothing is saved any more
        return max((rung for rung in self.rungs if rung <= step), default=None)
