"""Options of racing: `search: {racing: {steps: 27}}`, or `{racing: {}}` for the built-in stages."""

from __future__ import annotations

from pydantic import Field

from paretune.spaces.params import Params


class RacingParams(Params):
    """Trials are compared while they train; the worse ones pause, and may go on later."""

    steps: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="number of steps that your own trainer reports in a whole training; required "
        "with `evaluate`, and not allowed without it (the epochs of the recipes count then)",
    )
    first: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="step or epoch of the first rung (comparison); at most half of a whole "
        "training",
    )
    eta: int = Field(
        3,
        ge=2,
        le=100,
        description="keep 1 of `eta` trials at each rung; the next rung is at `eta` times the step "
        "or epoch",
    )

    def rungs(self, whole: int) -> tuple[int, ...]:
        """Returns the steps at which trials are compared: first, first x eta, first x eta^2, ...

        None is later than half of the `whole` steps: there, stopping saves little, and the best
        trial is not yet certain.
        """
        rungs = []
        step = self.first
        while step <= whole / 2:
            rungs.append(step)
            step *= self.eta
        return tuple(rungs)

    def rung(self, step: int, whole: int) -> int | None:
        """Returns the last rung that a trial at a step has reached, or None.

        None as well if the step is the last one: there is no training left to save.
        """
        if step >= whole:
            return None
        return max((rung for rung in self.rungs(whole) if rung <= step), default=None)
