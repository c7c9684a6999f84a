"""`paretune export`: a trial's model with manifest, model card and checks."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    json_option,
    latency_option,
    no_wait_option,
    output_option,
    print_json,
    storage_option,
    strict_option,
    study_argument,
)


@click.command("export")
@study_argument
@storage_option
@click.option(
    "--pick",
    default="knee",
    show_default=True,
    metavar="WHICH",
    help="The trial: knee, fastest, smallest, baseline, its number, or a condition such as "
    '"latency <= 2 ms".',
)
@click.option(
    "--target",
    metavar="NAME",
    help="A target of the study; by default the first.",
)
@click.option(
    "--to",
    "formats",
    default=None,
    metavar="FORMATS",
    help="Formats to write instead of the measured file: onnx,torchscript,openvino,...",
)
@output_option("DIR", "The folder to write.", required=True)
@click.option("--force", is_flag=True, help="Write even if the folder is not empty.")
@click.option(
    "--with-baseline/--without-baseline",
    "baseline",
    default=None,
    help="Add the baseline's file, so that `verify` can compare latencies; by default if it is "
    "below 50 MB.",
)
@click.option(
    "--hub",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also write DIR as the Hugging Face Hub wants a model: hf upload NAME DIR.",
)
@click.option("--verbose", is_flag=True, help="List every measurement, file and check.")
@click.option("--progress", is_flag=True, help="Print a line as each step begins.")
@latency_option
@strict_option
@no_wait_option
@json_option
def command(
    study: str,
    storage: str | None,
    pick: str,
    target: str | None,
    formats: str | None,
    output: Path,
    force: bool,
    baseline: bool | None,
    hub: Path | None,
    verbose: bool,
    progress: bool,
    latency: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Export a trial's model, checked, with a model card.

    STUDY is a study file, or the folder of a study that was run. The file that was measured is
    copied to DIR and checked there. If a check fails, the exit code is 1 and the files are in
    DIR.unverified.
    """
    from paretune.search.locate import locate

    location = locate(study, storage)  # reports a wrong STUDY before slow imports
    from paretune.search.export.exporter import ExportOptions, export_trial
    from paretune.search.export.hub_folder import refuse_hub_folder, write_hub_folder
    from paretune.search.export.summary_text import summary_text

    if hub is not None:
        refuse_hub_folder(hub, output)
    options = ExportOptions(
        query=pick,
        formats=tuple(formats.split(",")) if formats else (),
        folder=output,
        force=force,
        baseline=baseline,
        target=target,
        latency=latency,
        strict=strict,
        report=_print_line if progress else lambda line: None,
    )
    result = export_trial(location, options)
    if as_json:
        print_json(result.to_json())
    else:
        click.echo(summary_text(result, verbose))
    if hub is not None and result.manifest is not None and result.verification.ok:
        write_hub_folder(result.manifest, hub)
        click.echo(
            f"{hub}{os.sep}  for the Hugging Face Hub: add `license:` to README.md, then type "
            f"hf upload NAME {shlex.quote(str(hub))}"
        )
    return DONE if result.verification.ok else NOTHING


def _print_line(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()
