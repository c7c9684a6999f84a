"""Joins a running study as one more worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretune.objectives.calm import calm
from paretune.search.interface.fan_out import FanOut
from paretune.search.interface.worker_processes import set_training_threads
from paretune.search.study.role import Role
from paretune.search.trial.events import CalmAwaited, Reporter

if TYPE_CHECKING:
    from paretune.search.running.stopping import Ending
    from paretune.search.study.spec import StudySpec


def join_study(
    spec: StudySpec,
    reporters: Sequence[Reporter] = (),
    role: Role = Role.ALL,
    threads: int | None = None,
    retry_failed: bool = False,
) -> Ending:
    """Runs trials next to other workers until the run ends.

    Args:
        spec: The study.
        reporters: Each receives every event.
        role: The kinds of stages to run.
        threads: Training threads; None for as many as torch takes.
        retry_failed: Whether failed trials are run again.

    Raises:
        UserError: The study cannot be run; finished trials are kept.
        KeyboardInterrupt: The user wants to stop; finished trials are kept.
    """
    from paretune.search.running.runner import Runner
    from paretune.search.tracking.tracking import EpochLog

    if threads is not None:
        set_training_threads(spec, threads)
    report = FanOut([*reporters, *([EpochLog(spec)] if spec.trackers else [])])
    with calm.shown_by(lambda wait: report(CalmAwaited(wait))):
        return Runner(spec, report, retry_failed=retry_failed, joins=True, role=role).run()
