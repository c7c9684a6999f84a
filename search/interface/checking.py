"""What `paretune check` and `Study.check` show of a study file."""

from __future__ import annotations

from dataclasses import replace

from paretune.search.database.damage import sqlite_file
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.check import CheckInfo, check_info


def checked_study(spec: StudySpec) -> CheckInfo:
    """Returns what a run would do, also what it would change in a study that was run before.

    Raises:
        UserError: The stored study cannot go on with this file, or the study names resources of a
            cluster, and its hosts cannot share it.
    """
    if spec.resources is not None:
        from paretune.search.clusters.requirements import refuse_unshared

        refuse_unshared(spec)
    file = sqlite_file(spec.storage)
    if file is not None and not file.is_file():
        return check_info(spec)  # a new study: nothing to compare with
    from paretune.search.changing.preview import change_preview

    change = change_preview(spec)
    return replace(check_info(spec), change=change.to_json() if change else None)
