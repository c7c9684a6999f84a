"""The training in which plans of the built-in stages race."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study.raced_stage import longest_training, raced_stage
from paretune.search.study_file.loading import load_study


@pytest.mark.parametrize(
    ("change", "stage", "epochs"),
    [
        ("space.finetune.epochs=4", "finetune", 4),
        ("space.finetune.epochs={int: [2, 9]}", "finetune", 9),
        ("space.finetune.epochs={choice: [3, 27, 9]}", "finetune", 27),
        ("space.finetune.epochs={choice: [0, 5]}", "finetune", 5),
        ("space.finetune.epochs=0", "pretrain", 1),
        ("space.finetune=null", "pretrain", 1),
    ],
)
def test_plans_race_in_their_last_training(
    tiny: Path, change: str, stage: str, epochs: int
) -> None:
    space = load_study(tiny, [change]).space
    assert raced_stage(space) == stage
    assert longest_training(space, stage) == epochs


def test_longest_training_is_the_high_end_of_a_searched_pretraining(tiny: Path) -> None:
    sets = ["space.finetune=null", "space.pretrain={epochs: {int: [1, 6]}, optimizer: adam}"]
    assert longest_training(load_study(tiny, sets).space, "pretrain") == 6
