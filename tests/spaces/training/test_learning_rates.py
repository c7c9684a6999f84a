"""Learning rates: which schedules do not depend on the number of epochs."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.spaces.training.learning_rates import endless
from paretune.spaces.training.recipe import Recipe


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", True),
        ({"constant": {"warmup": 0.1}}, False),
        ("plateau", True),
        ("cosine", False),
        ("step", False),
    ],
)
def test_endless_is_true_only_for_rates_independent_of_the_number_of_epochs(
    schedule: Any, expected: bool
) -> None:
    assert endless(Recipe.model_validate({"epochs": 5, "schedule": schedule}).schedule) is expected
