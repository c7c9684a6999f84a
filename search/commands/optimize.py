"""`paretune optimize`: from a model or a study to a verified export, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    console,
    json_option,
    no_wait_option,
    output_option,
    print_json,
)
from paretune.search.interruption import stop_on_terminate

if TYPE_CHECKING:
    from paretune.search.optimizing.optimizer import OptimizeEnd


@click.command("optimize")
@click.argument("model", metavar="[MODEL|STUDY]", required=False)
@click.option(
    "--data",
    metavar="DATA",
    help="Data of MODEL: digits, images:FOLDER, npz:FILE, 'table:FILE, target=COLUMN', ...",
)
@click.option("--checkpoint", metavar="FILE", help="File with the weights of MODEL.")
@click.option(
    "--task",
    metavar="TASK",
    help="A task such as segmentation, or your own: pkg.mod:Task. By default the data tells it.",
)
@click.option("--runtime", metavar="NAME", help="Runtime of the deployed file.")
@click.option(
    "--goal",
    "goals",
    multiple=True,
    metavar="GOAL",
    help='What to reach: "latency <= 0.5 x baseline", "accuracy >= baseline - 1%"; can be '
    "repeated. Replaces the goals of STUDY.",
)
@click.option(
    "--time",
    metavar="1h",
    help="Time of everything, over all runs of this command; by default that of STUDY.",
)
@click.option("--stop-at-goal", is_flag=True, help="End as soon as a trial meets every goal.")
@output_option("DIR", "The folder of the verified export.", required=True)
@no_wait_option
@json_option
def command(
    model: str | None,
    data: str | None,
    checkpoint: str | None,
    task: str | None,
    runtime: str | None,
    goals: tuple[str, ...],
    time: str | None,
    stop_at_goal: bool,
    output: Path,
    as_json: bool,
) -> int:
    """Make a model meet goals, and export it verified: one command.

    MODEL is "torchvision:mobilenet_v2", "pkg.mod:Net" or a family; then give --data. STUDY is a
    study file. The command measures the baseline and searches in rounds until the time is over.
    Each round narrows the space to what pays. The same command continues after an interruption.
    The exit code is 1 if no trial meets every goal; the nearest one is exported then.
    """
    from paretune.search.optimizing.optimizer import optimize
    from paretune.search.optimizing.request import OptimizeRequest

    request = OptimizeRequest(
        model, output, goals, time, data, checkpoint, task, runtime, stop_at_goal
    )
    request.check()
    stop_on_terminate()
    screen = console()
    if as_json:
        end = optimize(request)
        print_json(end.to_json())
    else:
        end = optimize(
            request,
            console=screen,
            tell=lambda text: screen.print(text, markup=False, soft_wrap=False),
        )
        _print_end(end)
    return DONE if end.ok else NOTHING


def _print_end(end: OptimizeEnd) -> None:
    from paretune.search.optimizing.end_text import end_lines

    click.echo("\n".join(end_lines(end)))
