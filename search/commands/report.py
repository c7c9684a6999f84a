"""`paretune report`: the HTML report of a study."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import output_option, storage_option, study_argument


@click.command("report")
@study_argument
@storage_option
@output_option("FILE", "The file to write; by default report.html in the study's folder.")
def command(study: str, storage: str | None, output: Path | None) -> None:
    """Write the report: one HTML file that opens offline.

    STUDY is a study file, or the folder of a study that was run.
    """
    from paretune.search.interface.reading import read_record
    from paretune.search.locate import locate
    from paretune.search.views.report import write_report

    location = locate(study, storage)
    file = output or location.folder / "report.html"
    write_report(read_record(location.url), file)
    click.echo(str(file))
