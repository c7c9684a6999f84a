"""`paretune show`: one trial."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    TRIAL_NUMBER,
    json_option,
    print_json,
    storage_option,
    study_argument,
)
from paretune.search.errors import UserError


@click.command("show")
@study_argument
@click.argument("trial", type=TRIAL_NUMBER, metavar="TRIAL")
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
        record = reader.trial(trial)
        steps = reader.steps(trial)
        last = reader.last_number()
    if record is None:
        raise UserError(f"trial {trial}: there is no such trial; the last is {last}")
    if as_json:
        print_json(trial_json(record, steps))
    else:
        click.echo(trial_text(record, steps))
