"""`paretune front`: the Pareto front of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from paretune.search.interface.reading import FrontWithin
    from paretune.search.views.front_table import FrontInfo


@click.command("front")
@study_argument
@storage_option
@click.option(
    "--within",
    multiple=True,
    metavar="CONDITION",
    help='The front of the trials that meet it: "size <= 1 MB", "latency <= 0.5 x baseline"; can '
    "be repeated.",
)
@json_option
def command(study: str, storage: str | None, within: tuple[str, ...], as_json: bool) -> int:
    """Show the best trade-offs (the Pareto front) and the baseline.

    STUDY is a study file, or the folder of a study that was run.
    """
    from paretune.search.interface.reading import read_front, read_front_within
    from paretune.search.locate import locate

    url = locate(study, storage).url
    if within:
        return _show_within(read_front_within(url, within), as_json)
    info, lines = read_front(url)
    if as_json:
        print_json(info.to_json())
    else:
        _print_front(info, lines)
    return DONE if info.rows else NOTHING


def _show_within(front: FrontWithin, as_json: bool) -> int:
    """Prints the front of the trials that meet conditions; returns the exit code."""
    if as_json:
        print_json(front.to_json())
    else:
        click.echo(front.text)
        if front.nearest is None:
            _print_front(front.info, [])
    return DONE if front.nearest is None else NOTHING


def _print_front(info: FrontInfo, lines: Sequence[str]) -> None:
    from paretune.search.views.front_text import front_view

    text = front_view(info, terminal_width()).text()
    click.echo("\n".join([text, *lines]), color=coloured())
