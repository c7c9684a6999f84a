"""`paretune schema`: the JSON Schema of study files, or their reference."""

from __future__ import annotations

import click

from paretune.search.commands.shared import print_json


@click.command("schema")
@click.option("--markdown", is_flag=True, help="Print the reference of study files in Markdown.")
def command(markdown: bool) -> None:
    """Print the JSON Schema of study files, for editors.

    An editor completes a study file that names the schema in its first line:
    # yaml-language-server: $schema=FILE
    """
    if markdown:
        from paretune.search.study_file.reference import reference

        click.echo(reference(), nl=False)
        return
    from paretune.search.study_file.schema import study_schema

    print_json(study_schema(), schema=None)
