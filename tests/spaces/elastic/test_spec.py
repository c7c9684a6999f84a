"""The options of an elastic network."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from paretune.spaces.elastic.spec import ElasticSpec


@pytest.mark.parametrize(
    ("width", "widths"),
    [
        ([0.25, 1.0], [0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]),
        ([0.7, 1.0], [0.7, 0.75, 0.875, 1.0]),
        ([0.9, 1.0], [0.9, 1.0]),
        ([0.2, 0.6, 1.0], [0.2, 0.6, 1.0]),
        (None, [1.0]),
    ],
)
def test_two_widths_are_a_range_and_more_are_the_widths(
    width: list[float] | None, widths: list[float]
) -> None:
    assert ElasticSpec(width=width, resolution=[16]).widths == widths


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"width": [0.25, 0.75]}, "width must end with 1.*got 0.75"),
        ({"width": [1.0, 0.25]}, r"width must ascend without repeats; got \[1.0, 0.25\]"),
        ({"resolution": [24, 24]}, "resolution must ascend without repeats"),
        ({"width": None}, "give width, depth or resolution"),
        ({"width": [0.0, 1.0]}, "greater than 0"),
        ({"depth": {"least": 0}}, "greater than 0"),
    ],
)
def test_options_that_make_no_space_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ElasticSpec.model_validate(options)
