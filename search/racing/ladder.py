"""The ladder: who reached which rung, and who may go on. Pure: knows no database and no clock.

Asynchronous successive halving (Li et al. 2020, https://arxiv.org/abs/1810.05934) with several
objectives (Schmucker et al. 2021, https://arxiv.org/abs/2106.12639): of the n trials that have
reached a rung the best n / eta may go on, whenever they are asked for; nobody waits for a rung to
fill. A trial that is not among them may be so later, when more have come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from paretune.search.racing.ranking import best


@dataclass(frozen=True)
class RungEntry:
    """A trial at a rung.

    Attributes:
        trial: Its number.
        losses: Objective -> loss (lower is better) as far as it is known here: of what training
            changes the value at the rung, of the others the exact one. None for a trial whose
            training has come to no number: it never goes on.
        promoted: Whether it was let go on.
    """

    trial: int
    losses: Mapping[str, float] | None
    promoted: bool = False


Best: TypeAlias = Callable[[int, Sequence[RungEntry]], Sequence[int]]
"""(rung, the entries there) -> who may go on, the best first."""


def best_trials(entries: Sequence[RungEntry], eta: int) -> list[int]:
    """Numbers of the best n / eta (rounded down) of the n trials at a rung, the best first.

    They are compared by the objectives that are known of all of them.
    """
    known = [e for e in entries if e.losses is not None]
    names = common_names([e.losses for e in known if e.losses is not None])
    if not known or not names:
        return []
    losses = np.array([[e.losses[name] for name in names] for e in known if e.losses is not None])
    return [known[place].trial for place in best(losses, len(entries) // eta)]


def promotions(
    rungs: Mapping[int, Sequence[RungEntry]], best: Best, paused: Collection[int]
) -> Iterator[tuple[int, int]]:
    """(trial, rung) of the paused trials that may go on, the highest rung and the best first."""
    for step in sorted(rungs, reverse=True):
        waiting = {e.trial for e in rungs[step] if not e.promoted} & set(paused)
        if waiting:
            yield from ((trial, step) for trial in best(step, rungs[step]) if trial in waiting)


def common_names(losses: Sequence[Mapping[str, float]]) -> list[str]:
    """Names that are in all mappings, in the order of the first."""
    if not losses:
        return []
    return [name for name in losses[0] if all(name in one for one in losses)]
