"""The choices that make a subnet."""

from __future__ import annotations

import pytest

from paretune.spaces.elastic.space import ElasticSpace

SPACE = ElasticSpace(
    {"width.1": (0.5, 1.0), "width.2": (0.25, 0.5, 1.0), "depth.1": (1.0, 2.0, 3.0)},
    {"width.1": ("a",), "width.2": ("b",), "depth.1": ("block2", "block1")},
)


def test_all_configurations_are_different_and_counted() -> None:
    choices = SPACE.configurations()
    assert len(choices) == SPACE.size == 18
    assert len({tuple(choice.items()) for choice in choices}) == 18


def test_limited_configurations_are_different_with_both_ends_and_by_seed() -> None:
    choices = SPACE.configurations(10, seed=3)
    assert len({tuple(choice.items()) for choice in choices}) == 10
    assert choices[:2] == [SPACE.full, SPACE.smallest]
    assert choices == SPACE.configurations(10, seed=3) != SPACE.configurations(10, seed=4)
    assert SPACE.configurations(1) == [SPACE.full]


def test_dimension_left_out_is_that_of_the_full_network() -> None:
    assert SPACE.checked({"depth.1": 2}) == {"width.1": 1.0, "width.2": 1.0, "depth.1": 2.0}


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"width.3": 1.0}, 'has no "width.3"; it has width.1, width.2, depth.1'),
        ({"width.2": 0.3}, "width.2 is one of 0.25, 0.5, 1; got 0.3"),
    ],
)
def test_choice_outside_the_space_is_refused(choice: dict[str, float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SPACE.checked(choice)


def test_least_important_blocks_go_first() -> None:
    assert SPACE.blocks_left_out({**SPACE.full, "depth.1": 2.0}) == ["block2"]
    assert SPACE.blocks_left_out(SPACE.smallest) == ["block2", "block1"]


def test_space_survives_json_and_has_a_text() -> None:
    assert ElasticSpace.from_json(SPACE.to_json()) == SPACE
    assert SPACE.text({"width.1": 0.5}) == "width 0.5/1, depth 3"
