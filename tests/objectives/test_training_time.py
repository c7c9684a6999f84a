"""Training time: the sum of what the stages took when they were made."""

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
    made = {"pretrain": 10.0, "prune": 0.5, "teacher": 100.0, "finetune": 4.0}
    subject = make_subject(stage_seconds=made)
    found = TrainingTime.measure(subject, TrainingTime.Params(), "validation")
    assert (found.value, found.low, found.high) == (14.5, 14.5, 14.5)
    assert found.conditions["stages"] == {"pretrain": 10.0, "prune": 0.5, "finetune": 4.0}
    found = TrainingTime.measure(subject, TrainingTime.Params(teacher=True), "validation")
    assert found.value == 114.5


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, "the seconds of its stages were not recorded"),
        ({"prune": math.nan}, "the seconds of prune were not recorded"),
    ],
)
def test_training_time_that_nobody_noted_cannot_be_given(
    made: dict[str, float], said: str, make_subject: MakeSubject
) -> None:
    with pytest.raises(Unmeasurable, match=said):
        TrainingTime.measure(make_subject(stage_seconds=made), TrainingTime.Params(), "validation")
