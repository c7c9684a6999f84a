"""How a study races: `search: {racing: {steps: 27}}`, or `{racing: {}}` with built-in stages."""

from __future__ import annotations

from pydantic import Field

from paretune.spaces.params import Params


class RacingParams(Params):
    """Trials are compared while they train; those that fall behind wait for a later turn."""

    steps: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="that a whole training of your own trainer reports; else recipes say it",
    )
    first: int = Field(1, ge=1, le=1_000_000, description="step or epoch of the first comparison")
    eta: int = Field(
        3, ge=2, le=100, description="one of so many goes on, and the next comparison is so far"
    )

    def rungs(self, whole: int) -> tuple[int, ...]:
        """The steps at which trials are compared: first, first x eta, ...; up to half the whole.

        Who has more than half behind him goes on: stopping saves little, and the winner is not yet
        known.
        """
        found = []
        step = self.first
        while step <= whole / 2:
            found.append(step)
            step *= self.eta
        return tuple(found)

    def rung(self, step: int, whole: int) -> int | None:
        """The rung at which a step counts: the highest up to it; None where there is none."""
        if step >= whole:
            return None  # the whole way: nothing is saved any more
        return max((rung for rung in self.rungs(whole) if rung <= step), default=None)
