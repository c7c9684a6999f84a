"""`paretune status`: the progress of a study."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    json_option,
    print_json,
    reasons_without_feasible,
    storage_option,
    study_argument,
)


@click.command("status")
@study_argument
@storage_option
@json_option
def command(study: str, storage: str | None, as_json: bool) -> None:
    """Show the progress of a study: finished, running and failed trials.

    STUDY is a study file, or the folder of a study that was run.
    """
    from paretune.search.database.reader import study_reader
    from paretune.search.front.final_front import with_final_front
    from paretune.search.locate import locate
    from paretune.search.views.status import status_info

    with study_reader(locate(study, storage).url) as reader:
        info = status_info(with_final_front(reader.outline()), reader.counts())
        lines = reasons_without_feasible(reader, info.front)
    if as_json:
        print_json(info.to_json())
    else:
        click.echo("\n".join([info.text(), *lines]))
