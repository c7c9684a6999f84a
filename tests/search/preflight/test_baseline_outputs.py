"""The form of the outputs that each kind of task needs."""

from __future__ import annotations

from typing import get_args

import pytest

from paretune.search.preflight.baseline_check import FORMS, _fits
from paretune.task import Outputs, Per

SHAPES: dict[str, tuple[int, ...]] = {
    "example": (2, 7),
    "position": (2, 5, 7),
    "pixel": (2, 7, 8, 9),
    "cell": (2, 7, 4, 5),
}


def test_every_kind_of_outputs_but_any_has_a_form() -> None:
    assert set(FORMS) == set(SHAPES) == set(get_args(Per)) - {"any"}


@pytest.mark.parametrize("per", SHAPES)
def test_outputs_fit_the_kind_with_their_rank_and_vectors(per: Per) -> None:
    shape = SHAPES[per]
    assert _fits(shape, Outputs(7, per)) and _fits(shape, Outputs(0, per))
    assert not _fits(shape, Outputs(6, per)) and not _fits((*shape, 1), Outputs(7, per))
