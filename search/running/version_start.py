"""Takes up a changed study file before the processes of a run begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.search.changing.preview import has_changed
from paretune.search.changing.take_up import take_up_changes
from paretune.search.running.liveness import lives
from paretune.search.running.opening import open_study
from paretune.search.trial.events import Reporter

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.spec import StudySpec


def begin_version(spec: StudySpec, report: Reporter, data: Dataset | None = None) -> None:
    """Makes the study file the present version of its study, if it changed.

    A run with several processes does so before it starts the others: they join the study, and so
    they must find the version of their file.

    Args:
        spec: The study.
        report: Receives a notice that says what changed, and what that means.
        data: The study's data, if it is loaded already.

    Raises:
        UserError: The change cannot be taken up; nothing was written.
    """
    if not has_changed(spec):
        return
    study = open_study(spec, data)
    try:
        others = any(lives(other) for other in study.store.workers())
        take_up_changes(study, report, others=others)
    finally:
        study.close()
