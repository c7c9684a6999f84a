"""Opens a study to run trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.search.study.spec import StudySpec
from paretune.search.trial.open_study import OpenStudy

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset


def open_study(spec: StudySpec, data: Dataset | None = None) -> OpenStudy:
    """Opens a study to run trials. Imports only the kind of study that is needed.

    Args:
        spec: The study.
        data: Its data, if it is loaded already.

    Raises:
        UserError: The study cannot be run.
    """
    if spec.trainer is not None:
        from paretune.search.trial.trainer_study import TrainerStudy

        return TrainerStudy(spec)
    from paretune.search.trial.stage_study import StageStudy

    return StageStudy(spec, data)
