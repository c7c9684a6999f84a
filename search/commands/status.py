"""`paretune status`: the progress of a study."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    json_option,
    print_json,
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
    from paretune.search.interface.reading import read_status
    from paretune.search.locate import locate

    info, lines = read_status(locate(study, storage).url)
    if as_json:
        print_json(info.to_json())
    else:
        click.echo("\n".join([info.text(), *lines]))
