"""Training time: the sum of the seconds of the stages."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.training_time import TrainingTime

MakeSubject = Callable[..., Subject]


def test_training_time_is_the_sum_of_the_stages_without_the_teacher(
    make_subject: MakeSubject,
) -> None:
    stages = {"pretrain": 10.0, "prune": 0.5, "teacher": 100.0, "finetune": 4.0}
    subject = make_subject(stage_seconds=stages)
    time = TrainingTime.measure(subject, TrainingTime.Params(), "validation")
    assert (time.value, time.low, time.high) == (14.5, 14.5, 14.5)
    assert time.conditions["stages"] == {"pretrain": 10.0, "prune": 0.5, "finetune": 4.0}
    time = TrainingTime.measure(subject, TrainingTime.Params(teacher=True), "validation")
    assert time.value == 114.5


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ({}, "the seconds of its stages were not recorded"),
        ({"prune": math.nan}, "the seconds of prune were not recorded"),
    ],
)
def test_training_time_is_unmeasurable_when_it_was_not_recorded(
    stages: dict[str, float], reason: str, make_subject: MakeSubject
) -> None:
    subject = make_subject(stage_seconds=stages)
    with pytest.raises(Unmeasurable, match=reason):
        TrainingTime.measure(subject, TrainingTime.Params(), "validation")
