"""`paretune list`: the names that a study file can use."""

from __future__ import annotations

import click

from paretune.search.commands.shared import json_option, print_json

LISTS = (
    "tasks",
    "architectures",
    "techniques",
    "objectives",
    "runtimes",
    "samplers",
    "data",
    "training",
)


@click.command("list")
@click.argument("kind", type=click.Choice(LISTS), metavar="KIND")
@json_option
def command(kind: str, as_json: bool) -> None:
    """List the names and parameters that a study file can use.

    KIND is tasks, architectures, techniques, objectives, runtimes, samplers, data or training.
    """
    from paretune.search.interface.catalogue import catalogue, catalogue_text

    entries = catalogue(kind)
    if as_json:
        print_json(entries)
    else:
        click.echo(catalogue_text(entries))
