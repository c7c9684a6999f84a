"""Mutations depend on their parent and the block alone, and are shared by its proposals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paretune.search.sampling.features import RandomAssignments
from paretune.search.sampling.mutations import BLOCK, FRESH, Mutations, generator_of
from paretune.spaces.domains import Float, Record

SPACE = Record((("x", Float(0.0, 1.0)), ("y", Float(0.0, 1.0))))


def mutations(encoded: list[Any]) -> Mutations[Any]:
    def entry(params: Any) -> Any:
        encoded.append(params)
        return params if params["x"] < 0.9 else None

    return Mutations(RandomAssignments(SPACE), entry, 7)


def parents(count: int) -> list[dict[str, float]]:
    random = np.random.default_rng(0)
    return [{"x": float(x), "y": float(y)} for x, y in random.random((count, 2))]


def test_proposals_of_a_block_share_mutations() -> None:
    encoded: list[Any] = []
    made = mutations(encoded)
    first = [list(made.of(parents(3), FRESH + index, 30)) for index in range(BLOCK)]
    assert all(each == first[0] for each in first)
    assert len(encoded) == 30
    assert list(made.of(parents(3), FRESH + BLOCK, 30)) != first[0]


def test_first_proposals_have_mutations_of_their_own() -> None:
    made = mutations([])
    first, second = (list(made.of(parents(3), number, 30)) for number in (1, 2))
    assert first != second


def test_new_parent_leaves_the_mutations_of_the_others() -> None:
    made, fresh = mutations([]), mutations([])
    before = list(made.of(parents(2), FRESH, 40))
    after = list(made.of(parents(3), FRESH + 1, 40))
    assert after == list(fresh.of(parents(3), FRESH + 1, 40)), "as in a resumed run"
    assert sum(each in before for each in after) > 20


def test_last_parents_count_when_there_are_more_of_them_than_mutations() -> None:
    made = list(mutations([]).of(parents(9), 0, 4))
    assert len(made) <= 4
    assert list(mutations([]).of(parents(9), 0, 0)) == []
    assert list(mutations([]).of([], 0, 5)) == []


def test_forgotten_mutations_are_made_again() -> None:
    encoded: list[Any] = []
    made = mutations(encoded)
    before = list(made.of(parents(2), 0, 10))
    made.forget()
    assert list(made.of(parents(2), 0, 10)) == before
    assert len(encoded) == 20


@pytest.mark.parametrize("seed", [0, 3, 2**32 - 1, 2**32, 2**70 + 1])
def test_generator_is_that_of_a_list_of_numbers(seed: int) -> None:
    text = "(('width', 1.5), ('größe', '😀'))"
    expected = np.random.default_rng([seed, 70, *map(ord, text)])
    assert generator_of(seed, 70, text).random() == expected.random()
