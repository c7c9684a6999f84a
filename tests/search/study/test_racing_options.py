"""The rungs of a race."""

from __future__ import annotations

import pytest

from paretune.search.study.racing_options import RacingParams


@pytest.mark.parametrize(
    ("epochs", "params", "rungs"),
    [
        (27, {}, (1, 3, 9)),
        (18, {}, (1, 3, 9)),
        (17, {}, (1, 3)),
        (10, {"first": 2, "eta": 2}, (2, 4)),
        (2, {}, (1,)),
        (3, {"first": 2}, ()),
    ],
)
def test_rungs_grow_by_eta_up_to_half_of_the_training(
    epochs: int, params: dict[str, int], rungs: tuple[int, ...]
) -> None:
    assert RacingParams(**params).rungs(epochs) == rungs


@pytest.mark.parametrize(
    ("step", "rung"), [(1, None), (2, 2), (5, 2), (6, 6), (17, 6), (18, 18), (39, 18), (40, None)]
)
def test_rung_of_a_step_is_the_last_one_reached(step: int, rung: int | None) -> None:
    assert RacingParams(first=2).rung(step, 40) == rung
