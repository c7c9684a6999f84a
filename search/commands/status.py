"""`paretune status`: the progress of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from paretune.search.commands.shared import (
    json_line,
    json_option,
    print_json,
    storage_option,
    study_argument,
)
from paretune.search.commands.watching import watch

if TYPE_CHECKING:
    from paretune.search.views.status import StatusInfo


@click.command("status")
@study_argument
@storage_option
@click.option("--watch", "watches", is_flag=True, help="Show it again until no worker is left.")
@json_option
def command(study: str, storage: str | None, watches: bool, as_json: bool) -> None:
    """Show the progress of a study: finished, running and failed trials.

    STUDY is a study file, or the folder of a study that was run. With --watch and --json each
    change is one line of JSON.
    """
    from paretune.search.interface.reading import read_status
    from paretune.search.locate import locate

    url = locate(study, storage).url
    if watches:
        watch(lambda: _look(*read_status(url), as_json=as_json))
        return
    info, lines = read_status(url)
    if as_json:
        print_json(info.to_json())
    else:
        click.echo("\n".join([info.text(), *lines]))


def _look(info: StatusInfo, lines: Sequence[str], as_json: bool) -> tuple[str, bool]:
    """Returns what to show, and whether a worker may change it."""
    text = json_line(info.to_json()) if as_json else "\n".join([info.text(), *lines])
    return text, bool(info.workers)
