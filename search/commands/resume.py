"""`paretune resume`: let the workers of a paused study go on."""

from __future__ import annotations

import click

from paretune.search.commands.shared import json_option, storage_option, study_argument
from paretune.search.commands.steered import print_steered


@click.command("resume")
@study_argument
@storage_option
@json_option
def command(study: str, storage: str | None, as_json: bool) -> int:
    """Let the workers of a paused study go on.

    STUDY is a study file, or the folder of a study that was run. It also takes back a
    stop that the workers have not seen yet.
    """
    return print_steered("resume", study, storage, as_json)
