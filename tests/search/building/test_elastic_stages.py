"""The shares of a study become choices of a network's elastic space."""

from __future__ import annotations

import pytest

from paretune.search.building.elastic_stages import concrete_choice
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.elastic.space import ElasticSpace

SPACE = ElasticSpace(
    {
        "width.1": (0.25, 0.5, 0.75, 1.0),
        "width.2": (0.5, 1.0),
        "width.3": (0.25, 1.0),
        "depth.1": (1.0, 2.0, 3.0),
        "resolution": (16.0, 28.0),
    }
)


def test_one_share_is_that_of_all_parts_or_the_nearest_that_they_have() -> None:
    choice = concrete_choice(SPACE, {"width": 0.5, "depth": 2 / 3, "resolution": 16})
    expected = {"width.1": 0.5, "width.2": 0.5, "width.3": 0.25, "depth.1": 2.0, "resolution": 16}
    assert choice == expected


def test_parts_of_the_network_share_the_widths_in_order() -> None:
    choice = concrete_choice(SPACE, {"width": {"1": 0.25, "2": 1.0}})
    assert choice == {"width.1": 0.25, "width.2": 0.5, "width.3": 1.0}


def test_resolution_of_the_data_is_left_out() -> None:
    assert concrete_choice(SPACE, {"resolution": None}) == {}


def test_resolution_is_refused_for_a_network_of_fixed_size() -> None:
    with pytest.raises(InfeasibleCandidate, match="fixed input size"):
        concrete_choice(ElasticSpace({"width.1": (0.5, 1.0)}), {"resolution": 16})
