"""The end of an optimization: the final session, and the verified export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.search.locate import StudyLocation
from paretune.search.optimizing.clock import Clock
from paretune.search.optimizing.final_choice import FinalChoice
from paretune.search.optimizing.round_log import RoundLog
from paretune.search.optimizing.session_runner import SessionRunner
from paretune.search.optimizing.time_plan import CHECKS, MEASURED_AGAIN, final_seconds
from paretune.search.study.number_formats import variant_formats
from paretune.search.study.records import StudyRecord

if TYPE_CHECKING:
    from paretune.search.export.exporter import ExportResult


def final_record(runner: SessionRunner, log: RoundLog, clock: Clock) -> StudyRecord:
    """Measures the front again in one session, and on the test part; returns the study.

    If there is time, the networks of the front are deployed in their other number formats first.
    """
    spec = runner.study.spec(log.source)
    seconds = min(final_seconds(clock.total), max(1.0, clock.left - CHECKS))
    formats = len(variant_formats(spec)) - 1
    needed = seconds + CHECKS + MEASURED_AGAIN * log.trial.rest
    spare = clock.left - needed
    front = 6 * formats * log.trial.rest  # a front has about six networks
    spec = replace(
        spec,
        trials=0,
        seconds=None,
        final_seconds=seconds,
        format_variants="front" if 0 < front <= spare else False,
        stop_at_goals=False,
    )
    return runner.run(spec).record


def exported(
    runner: SessionRunner, choice: FinalChoice, folder: Path, replaces: bool
) -> ExportResult:
    """Exports a trial, and verifies its files in clean processes.

    Args:
        runner: Holds the study.
        choice: The trial.
        folder: The output folder.
        replaces: Whether the folder holds an earlier export of this optimization.

    Raises:
        UserError: It cannot be exported.
    """
    from paretune.search.export.exporter import ExportOptions, export_trial

    spec = runner.study.spec()
    location = StudyLocation(spec.file, spec.folder, spec.storage)
    options = ExportOptions(str(choice.trial.number), (), folder, force=replaces)
    return export_trial(location, options)
