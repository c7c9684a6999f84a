"""`paretune stop`: let the workers of a study leave; the study can go on later."""

from __future__ import annotations

import click

from paretune.search.commands.shared import json_option, storage_option, study_argument
from paretune.search.commands.steered import print_steered


@click.command("stop")
@study_argument
@storage_option
@click.option("--wait", is_flag=True, help="Wait until all workers have left.")
@json_option
def command(study: str, storage: str | None, wait: bool, as_json: bool) -> int:
    """Let the workers of a study leave; the study can go on later.

    STUDY is a study file, or the folder of a study that was run. The workers end their
    current stage and leave, also those on other machines. Nothing is lost: `paretune run`
    continues the study.
    """
    return print_steered("stop", study, storage, as_json, wait)
