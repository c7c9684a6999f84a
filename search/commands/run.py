"""`paretune run`: searches, writes the report and prints the front."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paretune.search.commands.shared import (
    DONE,
    MOST_TRIALS,
    NOTHING,
    cluster_option,
    console,
    files_option,
    json_option,
    no_wait_option,
    print_json,
    retry_option,
    set_option,
    storage_option,
    study_argument,
    time_option,
    trials_option,
    with_files,
)
from paretune.search.interruption import stop_on_terminate
from paretune.search.shell import PASSWORD_NOTE, command_text, has_password

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.search.interface.cluster import Cluster
    from paretune.search.interface.session import SessionEnd
    from paretune.search.running.origin import OriginStudy
    from paretune.search.running.stopping import Ending
    from paretune.search.study.records import StudyRecord
    from paretune.search.study.spec import StudySpec
    from paretune.search.views.front_table import FrontInfo

MOST_WORKERS = 256


@click.command("run")
@study_argument
@set_option
@storage_option
@files_option
@trials_option
@time_option
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    metavar="N",
    help="Processes on this machine that run trials; by default one per GPU, else one.",
)
@cluster_option(
    "Run the workers on a Ray cluster; --workers is then the number of those that train, by "
    "default as many as fit."
)
@retry_option
@click.option(
    "--from",
    "other",
    metavar="OLD",
    help="Another study (file, folder or database): take over its trained stages and artifacts "
    "that fit, and try the plans of its front first.",
)
@no_wait_option
@json_option
def command(
    study: str,
    trials: int | None,
    time: str | None,
    overrides: tuple[str, ...],
    storage: str | None,
    files: str | None,
    workers: int | None,
    cluster: str | None,
    retry_failed: bool,
    other: str | None,
    as_json: bool,
) -> int:
    """Run a study, or continue one that was interrupted.

    STUDY is a study file. Trials and trained stages are kept in a folder next to it. The same
    command continues the study; a larger --trials extends it.
    """
    from paretune.search.study_file.loading import load_study

    overrides = with_files(overrides, files)
    spec = load_study(study, overrides, storage=storage, trials=trials, time=time)
    origin = None
    if other is not None:
        from paretune.search.running.origin import OriginStudy

        origin = OriginStudy.of(other, spec.storage)
    stop_on_terminate()
    from paretune.search.interface.cluster import Cluster
    from paretune.search.interface.worker_processes import default_workers

    cluster_of_study = Cluster.named(cluster, workers)
    here = workers or (1 if cluster_of_study else default_workers(spec))
    request = RunRequest(
        spec, study, overrides, storage, here, retry_failed, origin, cluster_of_study
    )
    return DONE if run_study(request, console(stderr=as_json), as_json) else NOTHING


@dataclass(frozen=True)
class RunRequest:
    """What the user typed to run a study.

    Attributes:
        spec: The study.
        study: STUDY.
        overrides: --set options.
        storage: --storage, or None.
        workers: Number of processes on this machine, this one included.
        retry_failed: Whether failed trials are run again.
        origin: The study that --from names, or None.
        cluster: The cluster that --cluster names, or None.
        worker: Options of `paretune worker`, if the user typed that; else None.
    """

    spec: StudySpec
    study: str
    overrides: tuple[str, ...] = ()
    storage: str | None = None
    workers: int = 1
    retry_failed: bool = False
    origin: OriginStudy | None = None
    cluster: Cluster | None = None
    worker: tuple[str, ...] | None = None

    @property
    def storage_options(self) -> list[str]:
        """The option --storage, if the user gave it."""
        return [] if self.storage is None else ["--storage", self.storage]

    @property
    def set_options(self) -> list[str]:
        """The options --set, which each later run of the study needs as well."""
        return [word for text in self.overrides for word in ("--set", text)]


def run_study(request: RunRequest, console: Console, as_json: bool = False) -> bool:
    """Runs a study and prints its front.

    Args:
        request: What the user typed.
        console: Prints progress and results.
        as_json: Whether to print the results as JSON on standard output.

    Returns:
        False if the run gave up or the front is empty.

    Raises:
        UserError: The study has mistakes, or cannot be run.
    """
    from paretune.search.interface.session import run_session
    from paretune.search.study_file.document import read_document

    end = run_session(
        request.spec,
        workers=request.workers,
        worker_options=request.set_options,
        retry_failed=request.retry_failed,
        console=console,
        study=request.study,
        where=read_document(Path(request.study), request.overrides).where,
        origin=request.origin,
        cluster=request.cluster,
    )
    if as_json:
        print_json(results_json(request, end))
    else:
        _print_results(request, end, console)
    return end.ok


def results_json(request: RunRequest, end: SessionEnd) -> dict[str, Any]:
    """Returns the end of a run as JSON.

    Args:
        request: What the user typed.
        end: The end of the session.
    """
    from paretune.search.views.front_table import front_info
    from paretune.search.views.goals import goals_info

    record = end.record
    info = front_info(record)
    return {
        "study": record.name,
        "ok": end.ok,
        "reason": end.ending.reason,
        "over": end.ending.over,
        "trials": len(record.trials),
        "failed": failed_trials(record),
        "front": [row.trial for row in info.rows],
        "picks": {mark: row.trial for row in info.rows for mark in row.marks},
        "goals": [{"goal": g.text, "trials": list(g.trials)} for g in goals_info(record)],
        "report": str(end.report),
        "next": next_commands(request, info, end.ending, failed_trials(record)),
    }


def failed_trials(record: StudyRecord) -> int:
    """Returns the number of trials that failed; repeats of them do not count."""
    return sum(trial.state == "failed" and trial.repeat_of is None for trial in record.trials)


def _print_results(request: RunRequest, end: SessionEnd, console: Console) -> None:
    from rich.text import Text

    from paretune.search.views.front_table import front_info
    from paretune.search.views.front_text import front_view
    from paretune.search.views.goals import goals_info
    from paretune.search.views.headline import answer_text
    from paretune.search.views.infeasibility import infeasible_lines

    record = end.record
    info = front_info(record)
    console.print()
    console.print(front_view(info, console.width))
    console.print(Text(answer_text(info), style="bold"))
    for line in infeasible_lines(record):
        console.print(line, markup=False)
    for goal in goals_info(record):
        console.print(goal.line)
    console.print()
    commands = next_commands(request, info, end.ending, failed_trials(record))
    print_next(console, end.report, commands, request.storage)


def print_next(
    console: Console, report: Path | None, commands: Sequence[str], storage: str | None
) -> None:
    """Prints where the report is, and which commands to type now.

    Args:
        console: Prints the lines.
        report: The report, or None if this command wrote none.
        commands: Commands of `next_commands`.
        storage: --storage, or None.
    """
    lines = [] if report is None else [f"report: {_short(report)}"]
    for line in (*lines, *next_lines(commands, storage)):
        console.print(line, soft_wrap=True, markup=False)


def next_lines(commands: Sequence[str], storage: str | None) -> list[str]:
    """Returns the lines that suggest commands, and say what to set before them.

    Args:
        commands: Commands of `next_commands`.
        storage: --storage, or None.
    """
    lines = ["next:", *(f"  {command}" for command in commands)] if commands else []
    if has_password(storage) and any(" --storage " in command for command in commands):
        lines.append(PASSWORD_NOTE)
    return lines


def next_commands(request: RunRequest, info: FrontInfo, ending: Ending, failed: int) -> list[str]:
    """Returns the commands to type after a run; they can be pasted into a shell.

    Args:
        request: What the user typed.
        info: The front.
        ending: Why the run ended.
        failed: Number of trials that failed.
    """
    study, storage = Path(request.study), request.storage_options
    commands = []
    if any(row.trial for row in info.rows):
        commands.append(command_text("export", study, *storage, "--pick", "knee", "-o", "exported"))
        if request.spec.trainer is not None:  # its models are files of the user's own code
            knee = info.marked("knee")
            number = knee.trial if knee else info.rows[-1].trial
            commands = [command_text("show", study, number, *storage)]
    verb, more = ("run", request.cluster.options if request.cluster else [])
    if request.worker is not None:
        verb, more = "worker", list(request.worker)
    run = (verb, study, *storage, *request.set_options, *more)
    if failed:
        commands.append(command_text(*run, "--retry-failed"))
    if ending.again:
        commands.append(command_text(*run))
    elif ending.over and not ending.exhausted:
        doubled = min(2 * (request.spec.trials or info.trials), MOST_TRIALS)
        commands.append(command_text(*run, "--trials", doubled))
    return commands


def _short(path: Path) -> str:
    """Returns the path relative to the current folder if that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
