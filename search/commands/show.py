"""`paretune show`: one trial."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import click

from paretune.search.commands.shared import (
    MOST_TRIALS,
    json_option,
    print_json,
    storage_option,
    study_argument,
)
from paretune.search.errors import UserError


class _TrialNumber(click.IntRange):
    """The number of a trial, after STUDY on the command line."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        study = ctx.params.get("study", "") if ctx else ""
        if str(study).isdecimal() and not str(value).isdecimal() and not Path(study).exists():
            raise UserError(
                f"STUDY comes before TRIAL; type: paretune show {quote(str(value))} {study}"
            )
        return super().convert(value, param, ctx)


@click.command("show")
@study_argument
@click.argument("trial", type=_TrialNumber(0, MOST_TRIALS), metavar="TRIAL")
@storage_option
@json_option
def command(study: str, trial: int, storage: str | None, as_json: bool) -> None:
    """Show one trial: plan, measurements, files, or why it failed.

    STUDY is a study file, or the folder of a study that was run. TRIAL is the number of a trial;
    0 is the baseline.
    """
    from paretune.search.interface.reading import read_trial
    from paretune.search.locate import locate

    view = read_trial(locate(study, storage).url, trial)
    if as_json:
        print_json(view.to_json())
    else:
        click.echo(view.text())
