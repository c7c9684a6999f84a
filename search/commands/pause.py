"""`paretune pause`: let the workers of a study pause, without losing their trials."""

from __future__ import annotations

import click

from paretune.search.commands.shared import json_option, storage_option, study_argument
from paretune.search.commands.steered import print_steered


@click.command("pause")
@study_argument
@storage_option
@json_option
def command(study: str, storage: str | None, as_json: bool) -> int:
    """Let the workers of a study pause, without losing their trials.

    STUDY is a study file, or the folder of a study that was run. The workers hold after
    their current stage or epoch. Time budgets hold as well.
    """
    return print_steered("pause", study, storage, as_json)
