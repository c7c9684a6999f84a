"""`paretune report`: the HTML report of a study."""

from __future__ import annotations

from pathlib import Path

import click

from paretune.search.commands.shared import (
    json_option,
    output_option,
    print_json,
    storage_option,
    study_argument,
)


@click.command("report")
@study_argument
@storage_option
@output_option("FILE", "The file to write; by default report.html in the study's folder.")
@json_option
def command(study: str, storage: str | None, output: Path | None, as_json: bool) -> None:
    """Write the report: one HTML file that opens offline.

    STUDY is a study file, or the folder of a study that was run.
    """
    from paretune.search.interface.reading import read_record
    from paretune.search.locate import locate
    from paretune.search.views.report import write_report

    location = locate(study, storage)
    file = output or location.folder / "report.html"
    record = read_record(location.url)
    write_report(record, file)
    if as_json:
        print_json({"study": record.name, "report": str(file), "trials": len(record.trials)})
    else:
        click.echo(str(file))
