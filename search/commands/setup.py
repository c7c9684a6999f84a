"""`paretune setup`: make an environment that a runtime needs beside Paretune's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.objectives.runtimes.litert_environment import LitertEnvironment


@click.command("setup")
@click.argument("runtime", type=click.Choice(["litert"]), metavar="RUNTIME")
@click.option("--yes", is_flag=True, help="Make it without a question.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would take.")
def command(runtime: str, yes: bool, dry_run: bool) -> None:
    """Make an environment that a runtime needs beside Paretune's.

    RUNTIME is litert: its converter and Paretune need packages of different versions. uv
    makes the environment in your data folder, and all studies share it. The command tells
    what it takes, and asks first.
    """
    from paretune.objectives.errors import Unmeasurable
    from paretune.objectives.runtimes.litert_environment import planned_environment
    from paretune.objectives.runtimes.litert_setup import make_environment

    try:
        planned = planned_environment()
        if not planned.is_ready:
            click.echo(_needs(planned))
            if dry_run or not (yes or click.confirm("Make it?")):
                return
            make_environment(planned)
    except Unmeasurable as error:
        raise UserError(f"setup {runtime}: {error}") from error
    click.echo(f"ready: {planned.folder}")


def _needs(planned: LitertEnvironment) -> str:
    """Returns what the environment takes."""
    from paretune.objectives.runtimes.litert_environment import GIGABYTES, REQUIREMENTS

    return (
        f"uv will install {len(planned.packages)} packages into {planned.folder}:\n"
        f"{', '.join(planned.packages)}\n"
        f"(for {' and '.join(REQUIREMENTS)}). They take up to {GIGABYTES} GB of disk;\n"
        f"{planned.free / 1e9:.0f} GB are free. What uv's cache has is not downloaded again."
    )
