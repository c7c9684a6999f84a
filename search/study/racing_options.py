"""Options of racing: `search: {racing: {}}`, or `{racing: {steps: 27}}` with your own trainer."""

from __future__ import annotations

from pydantic import Field

from paretune.spaces.params import Params


class RacingParams(Params):
    """Compares trials while they train; the worse ones pause, and may go on later."""

    steps: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="number of steps that your own trainer reports in a whole training; required "
        "with `evaluate`, not allowed without it, because the built-in stages count epochs",
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

    def rungs(self, steps: int) -> tuple[int, ...]:
        """Returns the steps at which trials are compared: first, first x eta, first x eta^2, ...

        The last rung is at most at half of the training. A later one would save little, and could
        stop the trial that is best at the end.

        Args:
            steps: Steps or epochs of a complete training.
        """
        rungs = []
        step = self.first
        while step <= steps / 2:
            rungs.append(step)
            step *= self.eta
        return tuple(rungs)

    def rung(self, step: int, steps: int) -> int | None:
        """Returns the last rung that a trial at a step has reached.

        Returns None if it has reached no rung, or if the step is the last one: then there is no
        training left to save.
        """
        if step >= steps:
            return None
        return max((rung for rung in self.rungs(steps) if rung <= step), default=None)
