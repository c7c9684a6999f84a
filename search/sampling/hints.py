"""Hints: plans to try first, those of the study file and those of another study.

A hint may decide some parameters only. The others are drawn, by the user's beliefs if there are
any. The draw depends on the study's seed and the hint alone, so that each worker, and a resumed
run, completes it to the same plan. A trial keeps the key of its hint, so none is tried twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.sampling.features import Params, RandomAssignments
from paretune.search.sampling.prior import Prior
from paretune.search.study.spec import digest
from paretune.spaces.domains import Node

HINT = "first"
"""Key of a stored proposal that holds the key of its hint."""

DRAWS = 20
"""Draws of a hint's other parameters; then it has no plan that was not tried yet."""


@dataclass(frozen=True)
class Hint:
    """A plan to try first.

    Attributes:
        key: Digest of what the hint decides.
        params: Parameter name -> value, of all parameters of its branches.
    """

    key: str
    params: Params


class Hints:
    """The plans to try first that no trial has begun.

    Args:
        plans: For each plan, parameter name -> value of the parameters that it decides.
        space: The space of the study.
        prior: The user's beliefs, or None.
        seed: Seed of the study.
    """

    def __init__(
        self, plans: Iterable[Params], space: Node, prior: Prior | None, seed: int
    ) -> None:
        self._assignments = RandomAssignments(space)
        self._prior, self._seed = prior, seed
        self._waiting = dict(_keyed(plans))

    def __len__(self) -> int:
        """Returns the number of plans that wait."""
        return len(self._waiting)

    def begun(self, proposal: Mapping[str, Any]) -> None:
        """Drops the hint of a trial that has begun.

        Args:
            proposal: Its stored proposal.
        """
        self._waiting.pop(proposal.get(HINT, ""), None)

    def next(self, is_begun: Callable[[Any], bool], ahead: int = 0) -> Hint | None:
        """Returns the next plan to try, or None; drops those whose plan has a trial already.

        Args:
            is_begun: Returns whether a concrete value of the space has a trial.
            ahead: Number of first plans that other workers are about to begin.
        """
        for key, decided in list(self._waiting.items()):
            for params in self._completions(key, decided):
                if is_begun(self._assignments.choices(params)):
                    continue
                if not ahead:
                    return Hint(key, params)
                ahead -= 1
                break
            else:
                del self._waiting[key]
        return None

    def _completions(self, key: str, decided: Params) -> Iterator[Params]:
        """Yields assignments with these values; one if they decide all of it."""
        draw = self._assignments.draw if self._prior is None else self._prior.draw
        for attempt in range(DRAWS):
            random = np.random.default_rng([self._seed, int(key[:8], 16), attempt])
            params = draw(random, decided)
            yield params
            if params.keys() == decided.keys():
                return


def _keyed(plans: Iterable[Params]) -> Iterator[tuple[str, Params]]:
    """Yields each plan with its key; equal plans have different keys, as their draws differ."""
    counts: Counter[str] = Counter()
    for plan in plans:
        content = digest(dict(plan))
        yield digest([content, counts[content]])[:16], plan
        counts[content] += 1
