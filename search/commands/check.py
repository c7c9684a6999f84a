"""`paretune check`: what a study file describes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paretune.search.commands.shared import (
    cluster_option,
    console,
    files_option,
    json_option,
    no_wait_option,
    print_json,
    set_option,
    storage_option,
    study_argument,
    with_files,
)

if TYPE_CHECKING:
    from paretune.search.interface.cluster import Cluster
    from paretune.search.study.spec import StudySpec
    from paretune.search.study_file.check import CheckInfo


@click.command("check")
@study_argument
@set_option
@storage_option
@files_option
@cluster_option("Also check whether a Ray cluster can run the study; with --full, try to reach it.")
@click.option(
    "--full",
    is_flag=True,
    help="Also try each part of the study once, and estimate how long a run takes.",
)
@no_wait_option
@json_option
def command(
    study: str,
    overrides: tuple[str, ...],
    storage: str | None,
    files: str | None,
    cluster: str | None,
    full: bool,
    as_json: bool,
) -> None:
    """Check a study file and show what a run would do.

    Prints the search space, stages and objectives, or every mistake in the file. If the study was
    run before, also what changed since, and what that means. Nothing is trained, measured or
    written.

    With --full, data and weights are opened. Networks are built, exported, pruned, trained on a few
    batches and measured, all in a temporary folder. This takes seconds to minutes, and finds what a
    run would stumble over. A database server, a store and a cluster must answer.
    """
    from paretune.search.interface.checking import checked_study
    from paretune.search.interface.cluster import Cluster
    from paretune.search.study_file.loading import load_study

    overrides = with_files(overrides, files)
    spec = load_study(study, overrides, storage=storage)
    cluster_of_study = Cluster.named(cluster)
    info = checked_study(spec, cluster_of_study)
    if not as_json:
        from paretune.search.views.check_text import check_view

        console().print(check_view(info))
    elif not full:
        print_json(info.to_json())
    if full:
        _check_fully(spec, cluster_of_study, info, study, overrides, as_json)


def _check_fully(
    spec: StudySpec,
    cluster: Cluster | None,
    info: CheckInfo,
    study: str,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tries each part of a study, and prints the result.

    Raises:
        StudyFileError: The study has mistakes that a run would stumble over.
    """
    from paretune.search.interface.checking import fully_checked
    from paretune.search.study_file.document import read_document

    where = read_document(Path(study), overrides).where
    screen = console()
    with nullcontext() if as_json else screen.status("trying each part of the study ..."):
        result = fully_checked(spec, where, cluster)
    if as_json:
        print_json({**info.to_json(), "full": result.to_json()})
    else:
        from paretune.search.preflight.text import preflight_view

        screen.print(preflight_view(result))
    result.raise_mistakes(where)
