"""A session: one process checks a study, runs its trials and writes its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.objectives.calm import calm
from paretune.search.interface.fan_out import FanOut
from paretune.search.interface.worker_processes import (
    threads_per_worker,
    training_threads,
    worker_processes,
)
from paretune.search.trial.events import CalmAwaited, Notice, Reporter

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.search.data.dataset import Dataset
    from paretune.search.interface.cluster import Cluster
    from paretune.search.running.origin import OriginStudy
    from paretune.search.running.stopping import Ending
    from paretune.search.study.records import StudyRecord
    from paretune.search.study.spec import StudySpec
    from paretune.search.study_file.problems import Key


@dataclass(frozen=True)
class SessionEnd:
    """The end of a session.

    Attributes:
        record: The study after its last trial, with the final front.
        ending: Why the run ended.
        report: The HTML report.
    """

    record: StudyRecord
    ending: Ending
    report: Path

    @property
    def ok(self) -> bool:
        """False if the run gave up or the front is empty."""
        return self.ending.ok and bool(self.record.front)

    def __str__(self) -> str:
        return f"{self.ending.reason}; report: {self.report}"

    def __repr__(self) -> str:
        return f"<{self}>"


def run_session(
    spec: StudySpec,
    *,
    reporters: Sequence[Reporter] = (),
    workers: int = 1,
    worker_options: Sequence[str] = (),
    retry_failed: bool = False,
    console: Console | None = None,
    study: str | None = None,
    where: Callable[[Key], str] | None = None,
    data: Dataset | None = None,
    origin: OriginStudy | None = None,
    cluster: Cluster | None = None,
) -> SessionEnd:
    """Checks a study that has no baseline yet, runs its trials and writes its report.

    Args:
        spec: The study.
        reporters: Each receives every event.
        workers: Number of processes on this machine, this one included.
        worker_options: Options of the command `run` that the other processes need, such as --set.
        retry_failed: Whether trials that failed before are run again.
        console: Shows the progress; None to show nothing.
        study: The study file as the user typed it; by default the spec's own.
        where: Returns file and line of a key, for errors.
        data: The study's data, if the study is checked and its data is loaded.
        origin: Another study, from which the run takes over what fits.
        cluster: Runs the workers, in place of this process and machine.

    Raises:
        UserError: The study has mistakes, or cannot be run. Finished trials are kept.
        KeyboardInterrupt: The user wants to stop. Finished trials are kept.
    """
    from paretune.search.running.runner import Runner

    if cluster is not None:
        cluster.refuse(spec)  # before anything is tried
    options = [*worker_options, *(["--retry-failed"] if retry_failed else [])]
    with (
        ExitStack() as stack,
        _shown(console) as shown,
        _tracked(spec, FanOut([*shown, *reporters])) as trackers,
        training_threads(spec, threads_per_worker(workers)),
    ):
        report = FanOut([*shown, *reporters, *trackers])
        stack.enter_context(calm.shown_by(lambda wait: report(CalmAwaited(wait))))
        if data is None:
            data = _first_step(spec, report, where or (lambda key: str(spec.file)))
        if origin is not None:  # before another process proposes a trial
            from paretune.search.running.taking_over import take_over

            take_over(spec, origin, report, data)
        if cluster is not None:
            ending = cluster.run(spec, report, tuple(worker_options), retry_failed)
            return end_session(spec, ending, report)
        if workers > 1:
            from paretune.search.running.version_start import begin_version

            begin_version(spec, report, data)
        with worker_processes(spec, workers, study or str(spec.file), options, report) as others:
            kept = [*worker_options, *(["--workers", str(workers)] if workers > 1 else [])]
            ending = Runner(spec, report, data, retry_failed, options=kept).run()
            for process in others if ending.stopped else ():
                process.wait()  # it leaves at the end of its stage
        return end_session(spec, ending, report)


@contextmanager
def _shown(console: Console | None) -> Iterator[list[Reporter]]:
    """Opens the view of the progress on a console, if there is one."""
    if console is None:
        yield []
        return
    from paretune.search.running.progress import make_progress

    with make_progress(console) as progress:
        yield [progress]


@contextmanager
def _tracked(spec: StudySpec, report: Reporter) -> Iterator[list[Reporter]]:
    """Opens what logs the study to its trackers, if it names any."""
    if not spec.trackers:
        yield []
        return
    from paretune.search.tracking.tracking import Tracking

    with Tracking(spec, report) as tracking:
        yield [tracking]


def _first_step(spec: StudySpec, report: Reporter, where: Callable[[Key], str]) -> Dataset | None:
    """Checks a study before its first trial; returns its data if it was loaded for that."""
    from paretune.search.preflight.first_step import first_step

    checked = first_step(spec, where)
    if checked is None:
        return None
    from paretune.search.preflight.text import summary_lines

    data, info = checked
    for line in summary_lines(info):
        report(Notice(line))
    return data


def end_session(spec: StudySpec, ending: Ending, report: Reporter) -> SessionEnd:
    """Writes the report and attaches the front to Optuna's trials; returns the session's end."""
    from paretune.search.interface.reading import read_record

    # Takes half a second to import, which the first trial need not wait for.
    from paretune.search.tracking.optuna_artifacts import attach_front
    from paretune.search.views.report import write_report

    record = read_record(spec.storage)
    file = spec.folder / "report.html"
    write_report(record, file)
    try:
        attach_front(spec, record)
    except Exception as error:  # Optuna's tables are a mirror; without it nothing is lost
        report(Notice(f"optuna-dashboard will not show the files of the front: {error}"))
    return SessionEnd(record, ending, file)
