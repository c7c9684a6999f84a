"""`paretune worker`: runs trials of a study next to other processes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paretune.search.commands.run import (
    RunRequest,
    failed_trials,
    next_commands,
    print_next,
)
from paretune.search.commands.shared import (
    DONE,
    MOST_THREADS,
    NOTHING,
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
from paretune.search.shell import command_text
from paretune.search.study.role import Role

if TYPE_CHECKING:
    from paretune.search.interface.session import SessionEnd
    from paretune.search.running.stopping import Ending
    from paretune.search.study.spec import StudySpec
    from paretune.search.trial.events import Reporter

TRAINS = ("--only", Role.TRAIN.value)
"""Options of a worker that leaves trained trials to others."""


@click.command("worker")
@study_argument
@set_option
@storage_option
@files_option
@trials_option
@time_option
@click.option(
    "--threads",
    type=click.IntRange(1, MOST_THREADS),
    metavar="N",
    help="Training threads of this process; by default as many as torch takes.",
)
@click.option(
    "--only",
    type=click.Choice([Role.TRAIN.value, Role.MEASURE.value]),
    help="Run only these stages: a worker that measures takes what others have trained.",
)
@retry_option
@no_wait_option
@json_option
def command(
    study: str,
    trials: int | None,
    time: str | None,
    overrides: tuple[str, ...],
    storage: str | None,
    files: str | None,
    threads: int | None,
    only: str | None,
    retry_failed: bool,
    as_json: bool,
) -> int:
    """Join a running study from another process or machine.

    The processes share the study's database and files. On several machines, put both where all of
    them reach them: a PostgreSQL database (--storage), and a store (--files).
    """
    from paretune.search.study_file.loading import load_study

    overrides = with_files(overrides, files)
    spec = load_study(study, overrides, storage=storage, trials=trials, time=time)
    stop_on_terminate()
    from paretune.search.interface.joining import join_study
    from paretune.search.running.progress import make_progress

    role = Role.ALL if only is None else Role(only)
    screen = console(stderr=as_json)
    with make_progress(screen) as progress:
        ending = join_study(spec, [progress], role, threads, retry_failed)
        end = _last_words(spec, ending, progress)
    options = (
        *(() if only is None else ("--only", only)),
        *(() if threads is None else ("--threads", str(threads))),
    )
    request = RunRequest(spec, study, overrides, storage, worker=options)
    report, commands = (
        (None, _while_others_run(request)) if end is None else _after_all(request, end)
    )
    if as_json:
        shown = {"report": None if report is None else str(report), "next": commands}
        print_json({"study": spec.name, **asdict(ending), **shown})
    else:
        print_next(screen, report, commands, storage)
    return DONE if ending.ok else NOTHING


def _last_words(spec: StudySpec, ending: Ending, report: Reporter) -> SessionEnd | None:
    """Writes the report if no other worker runs the study, which would go on to change it."""
    from paretune.search.interface.session import end_session
    from paretune.search.running.steering import living_workers

    return None if living_workers(spec.storage) else end_session(spec, ending, report)


def _while_others_run(request: RunRequest) -> list[str]:
    study = Path(request.study)
    return [command_text("status", study, *request.storage_options, "--watch")]


def _after_all(request: RunRequest, end: SessionEnd) -> tuple[Path, list[str]]:
    """Returns the report, and the commands to type after the last worker."""
    assert request.worker is not None
    from paretune.search.views.front_table import front_info

    record, study = end.record, Path(request.study)
    commands = next_commands(request, front_info(record), end.ending, failed_trials(record))
    if request.worker[:2] == TRAINS and any(trial.state == "running" for trial in record.trials):
        measures = ("--only", Role.MEASURE.value)
        options = (*request.storage_options, *request.set_options, *measures)
        commands.insert(0, command_text("worker", study, *options))
    return end.report, commands
