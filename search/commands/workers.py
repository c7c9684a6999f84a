"""`paretune workers`: which processes run trials of a study now."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    json_option,
    print_json,
    storage_option,
    study_argument,
)


@click.command("workers")
@study_argument
@storage_option
@json_option
def command(study: str, storage: str | None, as_json: bool) -> int:
    """List the workers of a study: host, trial, stage, last sign of life.

    STUDY is a study file, or the folder of a study that was run. The exit code is 1 if no worker
    runs the study.
    """
    from paretune.search.interface.reading import read_workers
    from paretune.search.locate import locate
    from paretune.search.views.workers import workers_text

    name, infos = read_workers(locate(study, storage).url)
    if as_json:
        print_json({"study": name, "workers": [vars(info) for info in infos]})
    else:
        click.echo(workers_text(infos))
    return DONE if infos else NOTHING
