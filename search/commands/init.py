"""`paretune init`: a first study file for a model."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from paretune.search.commands.shared import (
    console,
    json_option,
    no_wait_option,
    output_option,
    print_json,
)

DEFAULT_OUTPUT = "study.yaml"


@click.command("init")
@click.option(
    "--model",
    metavar="MODEL",
    help='torchvision:NAME, timm:NAME, "pkg.mod:Net", or a family such as resnet.',
)
@click.option(
    "--data",
    metavar="DATA",
    help="images:FOLDER, npz:FILE, 'table:FILE, target=COLUMN', digits, ...: see list data.",
)
@click.option(
    "--task",
    metavar="TASK",
    help='A task, or your own: "pkg.mod:Plates". Without it, the data tells the task.',
)
@click.option("--checkpoint", metavar="FILE", help="The trained weights of the model.")
@click.option("--runtime", metavar="NAME", help="Where to deploy; default: onnxruntime.")
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME=RUNTIME",
    help="One of several deployments, instead of --runtime; can be repeated.",
)
@click.option(
    "--goal",
    "goals",
    multiple=True,
    metavar="GOAL",
    help='"latency <= 0.5 x baseline", "accuracy >= baseline - 1%"; can be repeated.',
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="SCORE:minimize",
    help="A score of your own task and its direction, if its name does not tell it.",
)
@click.option("--time", metavar="2h", help="Time of the study: epochs and trials fit into it.")
@output_option("FILE", f"The study file; default: {DEFAULT_OUTPUT}.", default=DEFAULT_OUTPUT)
@click.option("--force", is_flag=True, help="Overwrite the study file.")
@no_wait_option
@json_option
def command(as_json: bool, output: Path, **options: Any) -> None:
    r"""Write a first study file for a model and its data.

    The data is loaded. The network is built, deployed, profiled and measured. Each technique is
    tried once. What works goes into the file, with ranges that fit and the reason beside each line.

    \b
    paretune init --model torchvision:mobilenet_v2 --data images:photos --time 2h
    paretune init --model "net:Net" --checkpoint best.pt --data images:photos
    paretune init --task "plates:Plates" --goal "latency <= 5 ms"
    """
    from paretune.search.starting.request import InitRequest

    request = InitRequest(output=output, **options)
    request.check_output()
    screen = console()
    with nullcontext() if as_json else screen.status("starting ...") as status:

        def say(step: str) -> None:
            if status is not None:
                status.update(f"{step} ...")
                if not screen.is_terminal:
                    click.echo(f"{step} ...", err=True)

        from paretune.search.starting.init import init_study

        result = init_study(request, say)
    if as_json:
        print_json(result.to_json())
        return
    from paretune.search.starting.summary import summary

    click.echo(summary(result))
