"""`paretune schema`: the JSON Schema of study files."""

from __future__ import annotations

import click

from paretune.search.commands.shared import print_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of study files, for editors.

    An editor completes a study file that names the schema in its first line:
    # yaml-language-server: $schema=FILE
    """
    from paretune.search.study_file.schema import study_schema

    print_json(study_schema())
