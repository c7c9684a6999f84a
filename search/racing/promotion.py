"""Decides which trials at a rung may go on. Pure: uses no database and no clock.

Asynchronous successive halving (ASHA, Li et al. 2020, https://arxiv.org/abs/1810.05934) with
several objectives (Schmucker et al. 2021, https://arxiv.org/abs/2106.12639). If n
trials have reached a rung, the best n / eta may go on at once, without waiting for more trials. A
trial that is not among them may be so later, when more trials have come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from paretune.search.racing.ranking import best_rows


@dataclass(frozen=True)
class RungEntry:
    """A trial at a rung.

    Attributes:
        trial: Trial number.
        losses: Objective name -> loss (lower is better), of the objectives that are known at the
            rung. Those that training changes have their value at the rung, the others their exact
            value. None if training gave no number: the trial never goes on.
        promoted: Whether the trial was promoted, so that it trains beyond the rung.
    """

    trial: int
    losses: Mapping[str, float] | None
    promoted: bool = False


Best: TypeAlias = Callable[[int, Sequence[RungEntry]], Sequence[int]]
"""(rung, its entries) -> numbers of the trials that may go on, best first."""


def best_trials(entries: Sequence[RungEntry], eta: int) -> list[int]:
    """Returns the numbers of the best n / eta (rounded down) of n trials at a rung, best first.

    They are compared by the objectives that all of them have.
    """
    compared = [(e.trial, e.losses) for e in entries if e.losses is not None]
    names = common_names([losses for _, losses in compared])
    if not compared or not names:
        return []
    rows = np.array([[losses[name] for name in names] for _, losses in compared])
    return [compared[index][0] for index in best_rows(rows, len(entries) // eta)]


def promotions(
    rungs: Mapping[int, Sequence[RungEntry]], best: Best, paused: Collection[int]
) -> Iterator[tuple[int, int]]:
    """Yields (trial, rung) of the paused trials that may go on: highest rung first, then best.

    Args:
        rungs: Step of the rung -> its entries.
        best: Returns the trials that may go on from a rung.
        paused: Numbers of the paused trials.
    """
    for step in sorted(rungs, reverse=True):
        eligible = {e.trial for e in rungs[step] if not e.promoted} & set(paused)
        if eligible:
            yield from ((trial, step) for trial in best(step, rungs[step]) if trial in eligible)


def common_names(losses: Sequence[Mapping[str, float]]) -> list[str]:
    """Returns the names that are in all mappings, in the order of the first."""
    if not losses:
        return []
    return [name for name in losses[0] if all(name in of_trial for of_trial in losses)]
