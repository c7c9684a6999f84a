"""Mutations of the trials on the front, which several proposals share.

To make and encode them takes most of the time of a proposal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from paretune.search.sampling.features import Key, Params, RandomAssignments, key_of

BLOCK = 4
"""Proposals that share their mutations, after the first FRESH."""

FRESH = 64
"""Proposals that have new mutations each: they decide most, and have few parents."""

Entry = TypeVar("Entry")


@dataclass
class _Stream(Generic[Entry]):
    """The mutations of one parent so far; None for one that is not feasible."""

    random: np.random.Generator
    entries: list[Entry | None] = field(default_factory=list)


class Mutations(Generic[Entry]):
    """Mutates parents; what a parent's mutations are depends on it and on the block alone.

    So a resumed run has the mutations of an uninterrupted one.

    Args:
        assignments: Mutates an assignment.
        entry: Encodes an assignment; returns None if it is not feasible.
        seed: Seed of the study.
    """

    def __init__(
        self, assignments: RandomAssignments, entry: Callable[[Params], Entry | None], seed: int
    ) -> None:
        self._assignments, self._entry, self._seed = assignments, entry, seed
        self._block = -1
        self._streams: dict[Key, _Stream[Entry]] = {}

    def of(self, parents: Sequence[Params], number: int, count: int) -> Iterator[Entry]:
        """Yields feasible mutations of parents, about as many of each.

        Args:
            parents: The parents; if there are more than `count`, the last ones count.
            number: Number of the trial to propose.
            count: Number of mutations in all, infeasible ones included.
        """
        block = number if number < FRESH else number // BLOCK + FRESH
        if block != self._block:
            self._block, self._streams = block, {}
        parents = parents[-count:] if count else ()
        for index, parent in enumerate(parents):
            share = (count + index) // len(parents)  # they add up to the count
            for entry in self._first(parent, share):
                if entry is not None:
                    yield entry

    def forget(self) -> None:
        """Drops the mutations; the same ones are made and encoded again when they are asked for."""
        self._block = -1

    def _first(self, parent: Params, count: int) -> Sequence[Entry | None]:
        key = key_of(parent)
        if key not in self._streams:
            self._streams[key] = _Stream(generator_of(self._seed, self._block, repr(key)))
        stream = self._streams[key]
        while len(stream.entries) < count:
            stream.entries.append(self._entry(self._assignments.mutate(parent, stream.random)))
        return stream.entries[:count]


def generator_of(seed: int, block: int, text: str) -> np.random.Generator:
    """Returns the generator of `default_rng([seed, block, *codes of the text])`, but sooner."""
    numbers = np.array([*_words(seed), *_words(block)], dtype=np.uint32)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    return np.random.default_rng(np.concatenate([numbers, codes]))


def _words(number: int) -> list[int]:
    """Returns the 32-bit words of a number, the lowest first, as NumPy takes them from a seed."""
    count = max(1, math.ceil(number.bit_length() / 32))
    return [number >> 32 * index & 0xFFFFFFFF for index in range(count)]
