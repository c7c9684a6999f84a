"""Random numbers of a user's code: seeded, and apart from those of the training."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch

from paretune.search.data.random_state import RandomState, draws, seed_item, seeded


def drawn() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()


def test_seed_decides_the_numbers_of_all_three_generators() -> None:
    with RandomState(3).active():
        first = drawn()
    with RandomState(3).active():
        again = drawn()
    with RandomState(4).active():
        other = drawn()

    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_outer_numbers_go_on_as_if_nothing_was_drawn() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = [drawn(), drawn()]

    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = drawn()
    with RandomState(7).active():
        drawn()

    assert [before, drawn()] == expected


def test_state_is_restored_when_the_code_raises() -> None:
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)

    try:
        with RandomState(7).active():
            drawn()
            raise ValueError
    except ValueError:
        pass

    assert torch.equal(torch.rand(2), expected)


def values() -> Iterator[float]:
    for _ in range(4):
        yield drawn()[0]


def test_pass_is_the_same_whatever_is_drawn_between_its_values() -> None:
    plain = list(seeded(values, 5))
    mixed = []
    for value in seeded(values, 5):
        drawn()
        mixed.append(value)

    assert mixed == plain
    assert list(seeded(values, 6)) != plain


def test_further_generators_are_seeded_and_get_their_states_back() -> None:
    generator = torch.Generator().manual_seed(9)
    before = generator.get_state()

    def own() -> Iterator[float]:
        yield float(torch.rand((), generator=generator))

    first, second = list(seeded(own, 5, [generator])), list(seeded(own, 5, [generator]))

    assert first == second
    assert torch.equal(generator.get_state(), before)


def test_item_is_the_same_in_every_process() -> None:
    with RandomState(0).active():
        seed_item(2, 5)
        first = drawn()
    with RandomState(1).active():
        drawn()
        seed_item(2, 5)
        assert drawn() == first
        seed_item(2, 6)
        assert drawn() != first


def test_draws_tells_whether_a_generator_was_used() -> None:
    assert not draws(lambda: 1)
    for draw in (lambda: torch.rand(1), lambda: np.random.rand(), random.random):
        assert draws(draw)
