"""Lets the sampler learn the noise between seeds, in a study that asks for repeats.

A few trials of the front are trained again in the middle of the search, as its trials double. They
show how much a result owes to its seed, before the sampler has followed lucky draws for long. Most
of them are still on the front at the end, where they would be trained again anyway.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paretune.search.running.seed_repeats import SeedRepeats
from paretune.search.sampling.seed_noise import pooled_noise
from paretune.search.study.seed_results import SeedResult

if TYPE_CHECKING:
    from paretune.search.changing.earlier_trials import EarlierTrials
    from paretune.search.sampling.proposer import Proposer
    from paretune.search.trial.open_study import OpenStudy

FIRST_AT = 8
"""Trials after which the first ones are trained again; then after twice as many, and so on."""

AT_ONCE = 2
"""Trials that are trained again each time."""


class SeedLearning:
    """The trainings with other seeds in the middle of a search, and what the sampler learns.

    Args:
        study: The open study.
        repeats: Runs trainings with other seeds.
        proposer: Learns from them.
        earlier: Translates trials of earlier versions.
    """

    def __init__(
        self,
        study: OpenStudy,
        repeats: SeedRepeats,
        proposer: Proposer,
        earlier: EarlierTrials,
    ) -> None:
        self._study, self._repeats = study, repeats
        self._proposer, self._earlier = proposer, earlier
        self._names = [axis.name for axis in study.axes]
        self._seen = -1
        self._skipped: set[int] = set()

    def step(self, front: Mapping[int, Mapping[str, float]], done: int) -> bool:
        """Trains a trial of the front again if it is time for that; returns whether it did.

        Args:
            front: Trial number -> values, of the members of the front.
            done: Number of finished trials.
        """
        results = self._repeats.all_results()
        trained = sum(r.repeat > 0 for each in results.values() for r in each)
        if trained != self._seen:
            self._seen = trained
            self._learn(results)
        if trained >= due(done):
            return False
        for number in self._best_first(set(front) - {0} - results.keys() - self._skipped):
            trial = self._study.store.trial(number)
            is_repeatable = trial is not None and self._repeats.is_repeatable(trial)
            if trial is not None and is_repeatable and self._repeats.repeat(trial):
                return True
            self._skipped.add(number)
        return False

    def _best_first(self, numbers: set[int]) -> list[int]:
        """Returns the trials ordered by the first score, best first: the likeliest lucky draws."""
        axis = next((axis for axis in self._study.axes if axis.is_score), self._study.axes[0])
        sign = -1 if axis.better == "higher" else 1
        rows = self._study.store.rows(numbers)
        ordered = sorted(rows, key=lambda row: (sign * row["values"][axis.name], row["number"]))
        return [row["number"] for row in ordered]

    def _learn(self, results: Mapping[int, Sequence[SeedResult]]) -> None:
        """Tells the proposer the noise, and the means of the trials that were trained again."""
        repeated = {n: [r for r in each if r.state == "complete"] for n, each in results.items()}
        numbers = [number for number, each in repeated.items() if each]
        plans, means = [], []
        for row in self._study.store.rows(numbers):
            first = [row["values"][name] for name in self._names]
            trainings = [first, *(self._values(r, first) for r in repeated[row["number"]])]
            plans.append(trainings)
            params = self._earlier.params(row)
            if params is not None:
                mean = np.mean(trainings, axis=0).tolist()
                means.append((params, mean, len(trainings)))
        plans += self._study.repeats.trained_twice(self._names)
        self._proposer.learn_seeds(pooled_noise(plans), means)

    def _values(self, result: SeedResult, first: Sequence[float]) -> list[float]:
        """Returns the objectives of a training; what seeds do not change is that of the first."""
        measured = result.validation
        return [
            measured[name].value if name in measured else value
            for name, value in zip(self._names, first, strict=True)
        ]


def due(done: int) -> int:
    """Returns how many trainings with other seeds there should be after this many trials."""
    return 0 if done < FIRST_AT else AT_ONCE * (int(math.log2(done / FIRST_AT)) + 1)
