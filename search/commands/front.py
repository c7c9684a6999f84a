"""`paretune front`: the Pareto front of a study."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    coloured,
    json_option,
    print_json,
    storage_option,
    study_argument,
    terminal_width,
)


@click.command("front")
@study_argument
@storage_option
@json_option
def command(study: str, storage: str | None, as_json: bool) -> int:
    """Show the best trade-offs (the Pareto front) and the baseline.

    STUDY is a study file, or the folder of a study that was run.
    """
    from paretune.search.interface.reading import read_front
    from paretune.search.locate import locate

    info, lines = read_front(locate(study, storage).url)
    if as_json:
        print_json(info.to_json())
    else:
        from paretune.search.views.front_text import front_view

        text = front_view(info, terminal_width()).text()
        click.echo("\n".join([text, *lines]), color=coloured())
    return DONE if info.rows else NOTHING
