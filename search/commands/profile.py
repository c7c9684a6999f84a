"""`paretune profile`: where time, memory, parameters and multiply-adds go, and what to try."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.profiling.networks import Network

DEFAULT_RUNTIME = "onnxruntime"


@click.command()
@click.argument("study", metavar="[STUDY]", required=False)
@click.option(
    "--trial",
    default="baseline",
    metavar="WHICH",
    help="Of the study: baseline, a number, knee, fastest, smallest.",
)
@click.option(
    "--model",
    metavar="MODEL",
    help='In place of a study: "torchvision:mobilenet_v2", "pkg.mod:factory", or an architecture '
    'as in a study file: "{vit: {depth: 4}}".',
)
@click.option("--shape", metavar="C,H,W", help="Of --model's input; LENGTH,VOCABULARY for texts.")
@click.option(
    "--classes", type=click.IntRange(2), default=10, show_default=True, help="Of --model."
)
@click.option(
    "--runtime",
    metavar="NAME",
    help="Where it runs: a runtime, or a target of the study; else the study's, or onnxruntime.",
)
@click.option("--threads", type=click.IntRange(0), help="Of one inference; 0: all cores.")
@click.option(
    "--batch", type=click.IntRange(1, 65536), default=1, show_default=True, help="Inputs in a run."
)
@click.option("--storage", metavar="URL", help="Database of the study, when not in its folder.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for profile.html (the picture) and profile.json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def profile(
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
    """Show where a model's time and size go, layer by layer, and what to try.

    STUDY is a study file or folder that was run; --model takes any network instead.
    """
    if (study is None) == (model is None):
        raise UserError("give a STUDY, or --model MODEL --shape C,H,W: one of the two")
    if model is not None and shape is None:
        raise UserError("--model: give --shape too: 3,32,32 for images, 128,8000 for texts")
    import tempfile  # every command reads this file

    from paretune.search.profiling.profile import profile as profiled

    with tempfile.TemporaryDirectory(prefix="paretune-") as scratch:
        if model is not None:
            from paretune.search.profiling.networks import named_network

            name = runtime or DEFAULT_RUNTIME
            network = named_network(model, shape or "", classes, name, threads, Path(scratch))
            found = profiled(network, batch)
        else:
            with _of_study(study or "", storage, trial, runtime, threads, scratch) as network:
                found = profiled(network, batch)
    content = json.dumps(found.to_json(), indent=2)
    if output is not None:
        from paretune.search.profiling.profile_page import write_profile

        written = write_profile(found, content, output)
    if as_json:
        click.echo(content)
        return
    from rich.console import Console

    from paretune.search.profiling.profile_text import profile_view

    Console(highlight=False).print(profile_view(found))
    if output is not None:
        click.echo("\n".join(map(str, written)))


@contextmanager
def _of_study(
    study: str, storage: str | None, trial: str, runtime: str | None, threads: int | None, to: str
) -> Iterator[Network]:
    from paretune.search.locate import locate
    from paretune.search.profiling.networks import trial_network

    with trial_network(locate(study, storage), trial, runtime, threads, Path(to)) as network:
        yield network
