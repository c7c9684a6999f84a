"""What `paretune check` and `Study.check` show of a study file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.search.database.damage import sqlite_file
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.check import CheckInfo, check_info

if TYPE_CHECKING:
    from paretune.search.interface.cluster import Cluster
    from paretune.search.preflight.preflight import PreflightInfo
    from paretune.search.study_file.problems import Key


def checked_study(spec: StudySpec, cluster: Cluster | None = None) -> CheckInfo:
    """Returns what a run would do, also what it would change in a study that was run before.

    Args:
        spec: The study.
        cluster: The cluster that shall run it, or None.

    Raises:
        UserError: The stored study cannot go on with this file, or the study names resources of a
            cluster, and its hosts cannot share it.
    """
    if spec.resources is not None or cluster is not None:
        from paretune.search.clusters.requirements import refuse_unshared

        refuse_unshared(spec)
    file = sqlite_file(spec.storage)
    if file is not None and not file.is_file():
        return check_info(spec)  # a new study: nothing to compare with
    from paretune.search.changing.preview import change_preview

    change = change_preview(spec)
    return replace(check_info(spec), change=change.to_json() if change else None)


def fully_checked(
    spec: StudySpec, where: Callable[[Key], str], cluster: Cluster | None = None
) -> PreflightInfo:
    """Tries each part of a study once, and what it shares with other hosts.

    Args:
        spec: The study.
        where: Returns the file and line of a key.
        cluster: The cluster that shall run it, or None.

    Raises:
        StudyFileError: The data cannot be loaded, so that nothing else can be tried.
    """
    from paretune.search.interface.reaching import reached
    from paretune.search.preflight.preflight import full_check

    findings = reached(spec, cluster)
    result = full_check(spec, where)
    return replace(result, findings=(*findings, *result.findings))
