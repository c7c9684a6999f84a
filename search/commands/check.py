"""`paretune check`: what a study file describes."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    console,
    json_option,
    print_json,
    set_option,
    storage_option,
    study_argument,
)


@click.command("check")
@study_argument
@set_option
@storage_option
@json_option
def command(study: str, overrides: tuple[str, ...], storage: str | None, as_json: bool) -> None:
    """Check a study file and show what a run would do.

    Prints the search space, stages and objectives, or every mistake in the file. Nothing is
    trained, measured or written.
    """
    from paretune.search.study_file.check import check_info
    from paretune.search.study_file.loading import load_study

    info = check_info(load_study(study, overrides, storage=storage))
    if as_json:
        print_json(info.to_json())
        return
    from paretune.search.views.check_text import check_view

    console().print(check_view(info))
