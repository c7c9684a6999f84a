"""`paretune monitor`: the log of a deployed model against its export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paretune.search.commands.shared import DONE, NOTHING, json_option, output_option, print_json

MOST_EXAMPLES = 1_000_000_000


@click.command("monitor")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--log",
    "log",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help='The log of the calls: load("...", log=FILE), or the variable PARETUNE_LOG.',
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Labels that came later: a .csv with id,label, or with label alone in the order of the "
    "examples.",
)
@click.option(
    "--last",
    type=click.IntRange(1, MOST_EXAMPLES),
    metavar="N",
    help="Compare the latest N examples only.",
)
@click.option(
    "--study",
    type=click.Path(path_type=Path),
    metavar="STUDY",
    help="The study of the export, for the commands to type next; by default looked for nearby.",
)
@click.option(
    "--next",
    "next_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the study that goes on: with a tighter bound, or with --data.",
)
@click.option("--data", metavar="DATA", help='The newer data of --next: "images: photos-2026".')
@output_option("FILE", "The page to write, which opens offline.")
@json_option
def command(
    folder: Path,
    log: Path,
    labels: Path | None,
    last: int | None,
    study: Path | None,
    next_file: Path | None,
    data: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """Compare the log of a deployed model with its export.

    DIR is a folder that `paretune export` wrote. Latency, inputs and outputs are compared with the
    manifest, and the score if there are labels. The exit code is 1 if something is off.
    """
    from paretune.search.errors import UserError
    from paretune.search.monitoring.monitor import MonitorRequest, monitor
    from paretune.search.monitoring.text import monitor_text

    if data is not None and next_file is None:
        raise UserError("--data is the newer data of the next study; give --next FILE, too")
    result = monitor(MonitorRequest(folder, log, labels, last, study))
    written = None
    if next_file is not None:
        from paretune.search.monitoring.next_study import write_next_study

        written = write_next_study(result, next_file, study, data)
    if output is not None:
        from paretune.search.monitoring.html_page import write_page

        write_page(result, output)
    if as_json:
        print_json({**result.to_json(), **_files(output, written)})
    else:
        click.echo(monitor_text(result))
        if output is not None:
            click.echo(f"\npage: {output}")
        if written is not None:
            click.echo(f"\nwritten: {written.file}")
            click.echo("\n".join(f"  {change}" for change in written.changes))
            click.echo(f"  {written.command}")
    return DONE if result.ok else NOTHING


def _files(output: Path | None, written: Any) -> dict[str, Any]:
    """Returns the files that were written, for JSON."""
    study = None
    if written is not None:
        study = {
            "file": str(written.file),
            "changes": list(written.changes),
            "command": written.command,
        }
    return {"page": None if output is None else str(output), "next_study": study}
