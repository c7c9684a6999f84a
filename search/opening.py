"""Opens a study for work: one of the built-in stages, or one of the user's own trainer."""

from __future__ import annotations

from search.opened import Opened
from search.spec import StudySpec


def open_study(spec: StudySpec) -> Opened:
    """The study, open. What neither needs is not imported.

    Raises:
        UserError: It cannot be worked on as it is.
    """
    if spec.own is not None:
        from search.own import OwnStudy

        return OwnStudy(spec)
    from search.study import OpenStudy

    return OpenStudy(spec)
