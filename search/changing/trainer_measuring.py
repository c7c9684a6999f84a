"""Looks up new quantities of earlier trials in a study with the user's own trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from paretune.objectives.base import Measurement
from paretune.search.changing.new_measurements import NewMeasurements
from paretune.search.study.plan import Plan

if TYPE_CHECKING:
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.trainer_study import TrainerStudy


class TrainerMeasuring:
    """Asks the user's `cheap` function for what earlier trials lack; nothing is trained.

    Args:
        study: The open study.
    """

    def __init__(self, study: TrainerStudy) -> None:
        self._study = study

    def measure(
        self,
        trial: TrialRecord,
        valid: Mapping[str, Measurement],
        baseline: TrialRecord | None,
        seed: int,
    ) -> NewMeasurements:
        """Returns the quantities that a trial lacks, of those that `cheap` returns.

        Raises:
            Exception: Whatever the user's function raises.
        """
        cheap = self._study.cheap_measurements(Plan.from_json(trial.plan))
        return NewMeasurements(tuple(m for name, m in cheap.items() if name not in valid))
