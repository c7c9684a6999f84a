"""`paretune verify`: an exported model against its manifest."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    json_option,
    latency_option,
    no_wait_option,
    print_json,
    strict_option,
)


@click.command("verify")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--data",
    metavar="FILE",
    help="Examples to measure accuracy on: an .npz with x_test and y_test, a folder with one "
    "subfolder per class, or a .csv or .tsv of texts. By default the study's own data, if it is "
    "available here.",
)
@latency_option
@strict_option
@no_wait_option
@json_option
def command(folder: Path, data: str | None, latency: bool, strict: bool, as_json: bool) -> int:
    """Check an exported model against its manifest.

    DIR is a folder that `paretune export` wrote. Outputs, accuracy and latency are measured in a
    process without Paretune. The exit code is 1 if one of them differs.
    """
    from paretune.search.export.verifier import verify_export

    result = verify_export(folder, data, latency, strict)
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(result.text())
    return DONE if result.ok else NOTHING
