"""paretune export."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    latency_option,
    storage_option,
    strict_option,
    study_argument,
)


@click.command()
@study_argument
@storage_option
@click.option(
    "--pick",
    default="knee",
    metavar="WHICH",
    help='knee, fastest, smallest, baseline, a trial\'s number, or "latency <= 2 ms".',
)
@click.option("--target", metavar="NAME", help="Of a study's targets; the first when not given.")
@click.option(
    "--to",
    "formats",
    default=None,
    metavar="FORMATS",
    help="onnx,torchscript,openvino,...: other runtimes; the measured file when not given.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to write into.",
)
@click.option("--force", is_flag=True, help="Write into a folder that is not empty.")
@click.option(
    "--with-baseline/--without-baseline",
    "baseline",
    default=None,
    help="The baseline's file goes along, to compare latency with; by default below 50 MB.",
)
@latency_option
@strict_option
def export(
    study: str,
    storage: str | None,
    pick: str,
    target: str | None,
    formats: str | None,
    output: Path,
    force: bool,
    baseline: bool | None,
    latency: bool,
    strict: bool,
) -> int:
    """Export the chosen trade-off: the measured file, checked, with manifest and model card.

    Exit code 1 if the file is not what the study measured; it then stays in DIR.unverified.
    """
    from paretune.search.export.exporting import Wish, export_trial
    from paretune.search.export.summary_text import exported_text
    from paretune.search.locate import locate

    location = locate(study, storage)
    wanted = tuple(formats.split(",")) if formats else ()
    done = export_trial(
        location, Wish(pick, wanted, output, force, baseline, target, latency, strict)
    )
    click.echo(exported_text(done))
    return DONE if done.verification.ok else NOTHING
