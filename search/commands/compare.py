"""`paretune compare`: the fronts of several studies beside each other."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    coloured,
    json_option,
    output_option,
    print_json,
    terminal_width,
)


@click.command("compare")
@click.argument("studies", metavar="STUDY...", nargs=-1, required=True)
@output_option("FILE", "Also write a page with the figures, which opens offline: compare.html.")
@json_option
def command(studies: tuple[str, ...], output: Path | None, as_json: bool) -> int:
    """Compare studies: fronts, hypervolume, and what differs beyond noise.

    Each STUDY is a study file, or the folder of a study that was run. They are compared by the
    objectives that all of them have. Times of other machines or runtimes are compared by their
    ratios to the own baselines.
    """
    from paretune.search.comparing.comparison import compare_studies
    from paretune.search.comparing.studies import read_studies

    info = compare_studies(*read_studies(studies))
    if output is not None:
        from paretune.search.comparing.html_page import write_comparison

        write_comparison(info, output)
    if as_json:
        print_json(info.to_json())
    else:
        from paretune.search.comparing.text import comparison_view

        click.echo(comparison_view(info, terminal_width()).text(), color=coloured())
        if output is not None:
            click.echo(str(output))
    return DONE if all(study.front for study in info.studies) else NOTHING
