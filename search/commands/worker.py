"""`paretune worker`: runs trials of a study next to other processes."""

from __future__ import annotations

from dataclasses import asdict

import click

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
from paretune.search.study.role import Role


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

    The processes share the study's folder and its database. On several machines, put both on
    storage that all of them reach: a network folder, and a PostgreSQL database (--storage).
    """
    from paretune.search.study_file.loading import load_study

    overrides = with_files(overrides, files)
    spec = load_study(study, overrides, storage=storage, trials=trials, time=time)
    stop_on_terminate()
    from paretune.search.interface.joining import join_study
    from paretune.search.running.progress import make_progress

    role = Role.ALL if only is None else Role(only)
    with make_progress(console(stderr=as_json)) as progress:
        ending = join_study(spec, [progress], role, threads, retry_failed)
    if as_json:
        print_json({"study": spec.name, **asdict(ending)})
    return DONE if ending.ok else NOTHING
