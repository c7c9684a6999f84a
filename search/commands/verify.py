"""paretune verify."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    json_option,
    latency_option,
    print_json,
    strict_option,
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--data",
    metavar="FILE",
    help="Examples to measure accuracy on: an .npz with x_test and y_test, a folder with a folder "
    "for each class, a .csv or .tsv of texts. Without, the study's own where they are at hand.",
)
@latency_option
@strict_option
@json_option
def verify(folder: Path, data: str | None, latency: bool, strict: bool, as_json: bool) -> int:
    """Check an exported model against its manifest; exit 1 if it is off."""
    from paretune.search.export.verifying import verify_export

    result = verify_export(folder, data, latency, strict)
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(result.text())
    return DONE if result.ok else NOTHING
