"""What the commands `pause`, `resume` and `stop` share."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import DONE, NOTHING, print_json


def print_steered(
    action: str, study: str, storage: str | None, as_json: bool, wait: bool = False
) -> int:
    """Asks the workers of a study, and prints what happens now.

    Args:
        action: "pause", "resume" or "stop".
        study: STUDY.
        storage: --storage, or None.
        as_json: Whether to print JSON.
        wait: Whether to wait until all workers have left.

    Returns:
        The exit code; 1 if no worker runs the study.
    """
    from paretune.search.locate import locate
    from paretune.search.running.steering import steer, wait_until_alone

    location = locate(study, storage)
    options = [] if storage is None else ["--storage", storage]
    steered = steer(location.url, action, Path(study), options)
    if wait and steered.workers:
        wait_until_alone(location.url)
    if as_json:
        print_json(vars(steered))
    else:
        click.echo(steered.text)
    return DONE if steered.workers else NOTHING
