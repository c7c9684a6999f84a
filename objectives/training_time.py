"""The objective `training_time`: seconds that producing the candidate took."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params as Base

TEACHER = "teacher"
"""The key of the teacher's training in a distilled candidate's stage times."""


class TrainingTime:
    """Seconds of training, pruning and quantizing; a cached stage counts as when it first ran.

    A stage from the cache counts the seconds that it took in the trial that ran it, so that trials
    which share work compare fairly. A teacher counts only on request: all candidates share it, and
    mostly it is the baseline, which the user has already. Deploying and measuring do not count.
    Seconds are wall time on the worker that ran the stage.
    """

    name = "training_time"
    unit = "s"
    better: Better = "lower"
    cost = 3
    depends_on_artifact = False
    """The value is the same for every target and part of the data."""

    class Params(Base):
        """Options of training_time."""

        teacher: bool = Field(False, description="count the teacher's training as well")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Adds up the stages; exact.

        Raises:
            Unmeasurable: The seconds of a stage are unknown.
        """
        stages = {
            kind: seconds
            for kind, seconds in subject.stage_seconds.items()
            if params.teacher or kind != TEACHER
        }
        unknown = [kind for kind, seconds in stages.items() if math.isnan(seconds)]
        if unknown or not stages:
            stage_names = ", ".join(unknown) or "its stages"
            raise Unmeasurable(
                f"the seconds of {stage_names} were not recorded, because an older Paretune ran "
                "it; remove the study's folder stages to run it again"
            )
        return measurement(TrainingTime, math.fsum(stages.values()), conditions={"stages": stages})
