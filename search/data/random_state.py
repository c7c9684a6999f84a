"""Keeps the random numbers of a user's code apart from those of the training."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.random.mtrand import get_bit_generator, set_bit_generator

State = tuple[torch.Tensor, Any, Any]
"""States of the global generators of torch (on the CPU) and random, and NumPy's bit generator.

NumPy's generator is exchanged: copying its state takes longer than many a batch.
"""


class RandomState:
    """The global generators as the user's code sees them, beginning from a seed.

    Args:
        seed: Seed of all three.
    """

    def __init__(self, seed: int) -> None:
        self._state: State = (
            torch.Generator().manual_seed(seed).get_state(),
            np.random.RandomState(seed % 2**32)._bit_generator,
            random.Random(seed).getstate(),
        )

    @contextmanager
    def active(self) -> Iterator[None]:
        """Puts this state in effect, keeps its changes, and restores the former one at the end."""
        outer = _current()
        _restore(self._state)
        try:
            yield
        finally:
            self._state = _current()
            _restore(outer)


def seeded(
    make: Callable[[], Iterable[Any]], seed: int, generators: Iterable[torch.Generator] = ()
) -> Iterator[Any]:
    """Yields what an iterable gives, with its own random state, which begins from a seed.

    Args:
        make: Returns the iterable; called once.
        seed: Seed of the global generators.
        generators: Further generators to seed; they get their states back at the end.
    """
    state = RandomState(seed)
    kept = [(generator, generator.get_state()) for generator in generators]
    for generator, _ in kept:
        generator.manual_seed(seed)
    try:
        with state.active():
            iterator = iter(make())
        while True:
            with state.active():
                try:
                    value = next(iterator)
                except StopIteration:
                    return
            yield value
    finally:
        for generator, before in kept:
            generator.set_state(before)


def seed_item(seed: int, row: int) -> None:
    """Seeds the global generators for one example, whichever process reads it."""
    mixed = (seed * 0x9E3779B97F4A7C15 + (row + 1) * 0xBF58476D1CE4E5B9) % 2**32
    torch.default_generator.manual_seed(mixed)
    np.random.seed(mixed)
    random.seed(mixed)


def draws(read: Callable[[], Any]) -> bool:
    """Returns whether reading something draws from a global generator."""
    torch_state, numpy_state, state = (
        torch.get_rng_state(),
        np.random.get_state(),
        random.getstate(),
    )
    try:
        read()
        numpy_same = all(map(np.array_equal, numpy_state, np.random.get_state()))
        torch_same = torch.equal(torch_state, torch.get_rng_state())
        return not (torch_same and numpy_same and random.getstate() == state)
    finally:
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)
        random.setstate(state)


def _current() -> State:
    return torch.get_rng_state(), get_bit_generator(), random.getstate()


def _restore(state: State) -> None:
    torch.set_rng_state(state[0])
    set_bit_generator(state[1])
    random.setstate(state[2])
