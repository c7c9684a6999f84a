"""`paretune profile`: where the time and size of a network go, and what to change."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from paretune.search.commands.shared import (
    THREADS,
    console,
    json_option,
    no_wait_option,
    output_option,
    print_json,
    storage_option,
)
from paretune.search.errors import UserError

DEFAULT_RUNTIME = "onnxruntime"


@click.command("profile")
@click.argument("study", metavar="[STUDY]", required=False)
@click.option(
    "--trial",
    default="baseline",
    show_default=True,
    metavar="WHICH",
    help="The trial of STUDY: baseline, its number, knee, fastest or smallest.",
)
@click.option(
    "--model",
    metavar="MODEL",
    help='A network instead of STUDY: "torchvision:mobilenet_v2", "pkg.mod:factory", or an '
    'architecture as in a study file: "{vit: {depth: 4}}".',
)
@click.option(
    "--shape",
    metavar="C,H,W",
    help="Shape of one input of --model; LENGTH,VOCABULARY for texts, 13 for 13 values, 2x128 for "
    'any other shape, "image=3x32x32 meta=13" for several inputs.',
)
@click.option(
    "--classes",
    type=click.IntRange(2, 1_000_000),
    default=10,
    show_default=True,
    metavar="N",
    help="Number of classes of --model.",
)
@click.option(
    "--runtime",
    metavar="NAME",
    help="A runtime, or a target of STUDY; by default the study's own, for --model onnxruntime.",
)
@click.option(
    "--threads", type=THREADS, metavar="N", help="Threads of one inference; 0: all cores."
)
@click.option(
    "--batch",
    type=click.IntRange(1, 65536),
    default=1,
    show_default=True,
    metavar="N",
    help="Inputs per run.",
)
@storage_option
@output_option(
    "DIR",
    "The folder for profile.html (with figures) and profile.json.",
    type=click.Path(path_type=Path, file_okay=False),
)
@no_wait_option
@json_option
def command(
    study: str | None,
    trial: str,
    model: str | None,
    shape: str | None,
    classes: int,
    runtime: str | None,
    threads: int | None,
    batch: int,
    storage: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Show which layers take time and memory, and what to change.

    STUDY is a study file, or the folder of a study that was run. To profile any other network,
    give --model and --shape.
    """
    if (study is None) == (model is None):
        raise UserError("give a STUDY, or --model MODEL --shape C,H,W: one of the two")
    if model is not None and shape is None:
        raise UserError("--model: give --shape too: 3,32,32 for images, 128,8000 for texts")
    import tempfile

    with tempfile.TemporaryDirectory(prefix="paretune-") as folder, ExitStack() as stack:
        if model is not None:
            from paretune.search.profiling.named_network import named_network

            name = runtime or DEFAULT_RUNTIME
            network = named_network(model, shape or "", classes, name, threads, Path(folder))
        else:
            from paretune.search.locate import locate

            location = locate(study or "", storage)  # reports a wrong STUDY before slow imports
            from paretune.search.profiling.trial_network import trial_network

            context = trial_network(location, trial, runtime, threads, Path(folder))
            network = stack.enter_context(context)
        from paretune.search.profiling.profiler import profile_network

        result = profile_network(network, batch, Path(folder))
    files = []
    if output is not None:
        from paretune.search.profiling.html_page import write_profile

        files = write_profile(result, output)
    if as_json:
        print_json(result.to_json())
        return
    from paretune.search.profiling.text import profile_view

    console().print(profile_view(result))
    if files:
        click.echo("\n".join(map(str, files)))
