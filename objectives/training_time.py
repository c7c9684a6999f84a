"""Seconds that it took to produce the candidate."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params as Base

TEACHER = "teacher"
"""The key of what a distilled candidate's teacher took."""


class TrainingTime:
    """Seconds of training, pruning and quantizing, each stage counted as when it was made.

    A stage that came from the cache counts what it cost the trial that made it, so that trials
    which share work compare fairly. A teacher counts only on request: it is there for all
    candidates, and most often it is the baseline, which the user has. Deploying and measuring are
    no part of it. The clock is that of the wall, of the worker that did it.
    """

    name = "training_time"
    unit = "s"
    better: Better = "lower"
    cost = 3
    of_artifact = False
    """The same for every target and part of the data."""

    class Params(Base):
        """Options of training_time."""

        teacher: bool = Field(False, description="count the teacher's training as well")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Adds the stages up; exact.

        Raises:
            Unmeasurable: The cost of a stage is not known.
        """
        made = {
            kind: seconds
            for kind, seconds in subject.stage_seconds.items()
            if params.teacher or kind != TEACHER
        }
        unknown = [kind for kind, seconds in made.items() if math.isnan(seconds)]
        if unknown or not made:
            what = ", ".join(unknown) or "its stages"
            raise Unmeasurable(
                f"nobody noted what {what} took, which an older Paretune made; remove the study's "
                "folder stages to make it again"
            )
        return measurement(TrainingTime, math.fsum(made.values()), conditions={"stages": made})
