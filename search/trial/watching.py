"""Reports the stages and epochs of a trial while it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.search.building.watch import Watch
from paretune.search.trial.control import Control
from paretune.search.trial.events import EpochDone, Reporter, StageDone, StageStarted

if TYPE_CHECKING:
    from paretune.spaces.base import EpochEnd


def watch_of(number: int, report: Reporter, control: Control) -> Watch:
    """Returns what receives the events of a plan that is built, and reports them.

    Args:
        number: Trial number.
        report: Receives an event for each stage and epoch.
        control: Looks for a pause or a stop between stages and epochs.
    """

    def epoch(event: EpochEnd) -> None:
        report(
            EpochDone(
                number,
                event.stage,
                event.epoch,
                event.epochs,
                event.loss,
                event.accuracy,
                event.seconds,
            )
        )

    return Watch(
        started=lambda kind: report(StageStarted(number, kind)),
        epoch=epoch,
        done=lambda kind, seconds, cached: report(StageDone(number, kind, seconds, cached)),
        between_stages=control.between_stages,
        between_epochs=control.between_epochs,
    )
