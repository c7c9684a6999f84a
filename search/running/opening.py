"""Opens a study for work: one of the built-in stages, or one of the user's own trainer."""

from __future__ import annotations

from paretune.search.study.spec import StudySpec
from paretune.search.trial.open_study import OpenStudy


def open_study(spec: StudySpec) -> OpenStudy:
    """The study, open. What neither needs is not imported.

    Raises:
        UserError: It cannot be worked on as it is.
    """
    if spec.trainer is not None:
        from paretune.search.trial.trainer_study import TrainerStudy

        return TrainerStudy(spec)
    from paretune.search.trial.stage_study import StageStudy

    return StageStudy(spec)
