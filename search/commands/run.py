"""`paretune run`: searches, writes the report and prints the front."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from paretune.search.commands.shared import (
    DONE,
    MOST_TRIALS,
    NOTHING,
    console,
    set_option,
    storage_option,
    study_argument,
    time_option,
    trials_option,
)
from paretune.search.interruption import stop_on_terminate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from paretune.search.data.dataset import Dataset
    from paretune.search.study.records import StudyRecord
    from paretune.search.study.spec import StudySpec
    from paretune.search.views.front_table import FrontInfo

MOST_WORKERS = 256


@click.command("run")
@study_argument
@set_option
@storage_option
@trials_option
@time_option
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes on this machine that run trials.",
)
def command(
    study: str,
    trials: int | None,
    time: str | None,
    overrides: tuple[str, ...],
    storage: str | None,
    workers: int,
) -> int:
    """Run a study, or continue one that was interrupted.

    STUDY is a study file. Trials and trained stages are kept in a folder next to it. The same
    command continues the study; a larger --trials extends it.
    """
    from paretune.search.study_file.loading import load_study

    spec = load_study(study, overrides, storage=storage, trials=trials, time=time)
    stop_on_terminate()
    return DONE if run_study(spec, console(), workers, study, overrides) else NOTHING


def run_study(
    spec: StudySpec,
    console: Console,
    workers: int,
    study: str,
    overrides: Sequence[str] = (),
) -> bool:
    """Checks and runs a study, writes its report and prints its front.

    Args:
        spec: The study.
        console: Prints progress and results.
        workers: Number of processes on this machine, this one included.
        study: STUDY as the user typed it, for the commands to type next.
        overrides: --set options, which mistakes refer to.

    Returns:
        False if the run gave up or the front is empty.

    Raises:
        UserError: The study has mistakes, or cannot be run.
    """
    from paretune.search.commands.worker_processes import (
        set_training_threads,
        threads_per_worker,
        worker_processes,
    )
    from paretune.search.database.reader import study_reader
    from paretune.search.front.final_front import with_final_front
    from paretune.search.running.progress import make_progress
    from paretune.search.running.runner import Runner

    set_training_threads(spec, threads_per_worker(workers))
    data = _first_step(spec, console, study, overrides)
    with make_progress(console) as progress, worker_processes(spec, workers, study):
        ending = Runner(spec, progress, data).run()
    # Takes half a second to import, which the first trial need not wait for.
    from paretune.search.views.report import write_report

    with study_reader(spec.storage) as reader:
        record = with_final_front(reader.record())
    report = spec.folder / "report.html"
    write_report(record, report)
    _print_results(record, report, spec, console, study)
    return ending.ok and bool(record.front)


def _first_step(
    spec: StudySpec, console: Console, study: str, overrides: Sequence[str]
) -> Dataset | None:
    """Checks a study before its first trial; returns its data if it was loaded for that."""
    from paretune.search.preflight.first_step import first_step
    from paretune.search.study_file.document import read_document

    with console.status("checking the study ..."):
        checked = first_step(spec, read_document(Path(study), overrides).where)
    if checked is None:
        return None
    from paretune.search.preflight.text import summary_lines

    data, info = checked
    for line in summary_lines(info):
        console.print(line, soft_wrap=True, markup=False)
    return data


def _print_results(
    record: StudyRecord, report: Path, spec: StudySpec, console: Console, study: str
) -> None:
    from rich.text import Text

    from paretune.search.views.front_table import front_info
    from paretune.search.views.front_text import front_view
    from paretune.search.views.goals import goals_info
    from paretune.search.views.headline import answer_text

    info = front_info(record)
    console.print()
    console.print(front_view(info, console.width))
    console.print(Text(answer_text(info), style="bold"))
    for goal in goals_info(record):
        console.print(goal.line)
    lines = [f"\nreport: {_short(report)}"]
    if any(row.trial for row in info.rows):
        trials = spec.trials or len(record.trials)
        commands = next_commands(study, info, trials, exportable=spec.trainer is None)
        lines += ["next:", *(f"  {command}" for command in commands)]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def next_commands(study: str, info: FrontInfo, trials: int, exportable: bool) -> list[str]:
    """Returns the commands to type after a run; they can be pasted into a shell.

    Args:
        study: STUDY as the user typed it.
        info: The front.
        trials: Number of trials of the study.
        exportable: False for a custom trainer: its models are files of the user's own code.
    """
    knee = info.marked("knee")
    first = f"paretune export {quote(study)} --pick knee -o exported"
    if not exportable:
        first = f"paretune show {quote(study)} {knee.trial if knee else info.rows[-1].trial}"
    doubled = min(2 * trials, MOST_TRIALS)
    return [first, f"paretune run {quote(study)} --trials {doubled}"]


def _short(path: Path) -> str:
    """Returns the path relative to the current folder if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
