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
    from paretune.search.database.reader import study_reader
    from paretune.search.locate import locate
    from paretune.search.views.trial_text import trial_json, trial_text

    with study_reader(locate(study, storage).url) as reader:
        reader.study()  # refuses a database without a study
        record = reader.trial(trial)
        pair = reader.with_examples(reader.trials({0, trial}))
        steps = reader.steps(trial)
        last = reader.last_number()
        no_test = reader.outline().no_test if record and record.measurements else None
    if record is None:
        raise UserError(f"trial {trial}: there is no such trial; the last is {last}")
    if as_json:
        print_json(trial_json(record, steps))
    else:
        click.echo(trial_text(pair[-1], steps, no_test, pair[0] if pair[0].number == 0 else None))
