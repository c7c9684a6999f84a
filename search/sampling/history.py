"""What the search has learned from its trials, as surrogates and mutations need it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretune.search.front.pareto import Front
from paretune.search.sampling.features import FeatureEncoder, Key, Params, key_of
from paretune.search.sampling.growing_array import GrowingArray


class History:
    """The ended trials of a search, each assignment once.

    Attributes:
        proposed: Keys of all assignments that were proposed or have ended.

    Args:
        features: Encodes assignments as rows.
        signs: -1 for an objective that is maximized, 1 for one that is minimized.
    """

    def __init__(self, features: FeatureEncoder, signs: Sequence[float]) -> None:
        self._features = features
        self._signs = np.array(signs)
        self._params: list[Params] = []
        self._rows = GrowingArray()
        self._losses = GrowingArray()
        self._trainings: list[int] = []
        self._index: dict[Key, int] = {}
        self._feasible: set[int] = set()
        self._all_rows = GrowingArray()
        self._successes: list[float] = []
        self._partial: list[tuple[np.ndarray, np.ndarray]] = []
        self._front = Front()
        self._estimates: dict[Key, int] = {}
        self._ended: set[Key] = set()
        self.proposed: set[Key] = set()

    def add(
        self,
        params: Params,
        values: Sequence[float] | None,
        feasible: bool,
        explained: bool = True,
    ) -> None:
        """Adds a trial that has ended; ignores an assignment that has ended before.

        Args:
            params: Parameters of the trial.
            values: Objectives in order, NaN for those that are not known because the trial ended
                before its training; None if none is known.
            feasible: Whether it breaks no constraint.
            explained: Whether the objectives show every violation of it.
        """
        key = key_of(params)
        if key in self._ended:
            return
        self.proposed.add(key)
        self._ended.add(key)
        losses = None if values is None else np.array(values, dtype=float) * self._signs
        complete = losses is not None and not np.isnan(losses).any()
        index = self._estimates.pop(key, None)
        if index is not None:
            if losses is not None and complete:
                self._replace_estimate(index, losses, feasible)
            return  # without values, the estimate is all there will be
        row = self._features.row(params)
        self._all_rows.append(row)
        self._successes.append(float(losses is not None and explained))
        if losses is None:
            return
        if not complete:
            self._partial.append((row, losses))
            return
        self._append(key, params, row, losses)
        if feasible:
            self._add_to_front(len(self._params) - 1, losses)

    def _append(self, key: Key, params: Params, row: np.ndarray, losses: np.ndarray) -> None:
        self._index[key] = len(self._params)
        self._params.append(params)
        self._rows.append(row)
        self._losses.append(losses)
        self._trainings.append(1)

    def _add_to_front(self, index: int, losses: np.ndarray) -> None:
        self._feasible.add(index)
        self._front.add(index, losses)

    def trained_again(self, params: Params, values: Sequence[float], trainings: int) -> None:
        """Replaces the result of a trial by the mean over several trainings.

        Args:
            params: Parameters of the trial; it is ignored if it has no result here.
            values: Mean of each objective, in order.
            trainings: Number of trainings.
        """
        index = self._index.get(key_of(params))
        if index is None or self._trainings[index] == trainings:
            return
        self._losses[index] = np.array(values, dtype=float) * self._signs
        self._trainings[index] = trainings
        self._front = Front()
        for member in sorted(self._feasible):
            self._front.add(member, self._losses[member])

    def withdraw(self, params: Params) -> None:
        """Forgets that an assignment was proposed; keeps a result of it."""
        key = key_of(params)
        if key not in self._ended and key not in self._estimates:
            self.proposed.discard(key)

    def add_estimate(self, params: Params, values: Sequence[float]) -> None:
        """Adds the expected result of a paused trial.

        Surrogates learn from it, the front does not. It replaces an earlier estimate, and the
        trial's end replaces it.
        """
        key = key_of(params)
        if key in self._ended:
            return
        losses = np.array(values, dtype=float) * self._signs
        if key in self._estimates:
            self._losses[self._estimates[key]] = losses
            return
        self.proposed.add(key)
        row = self._features.row(params)
        self._all_rows.append(row)
        self._successes.append(1.0)
        self._estimates[key] = len(self._params)
        self._append(key, params, row, losses)

    def _replace_estimate(self, index: int, losses: np.ndarray, feasible: bool) -> None:
        self._losses[index] = losses
        if feasible:
            self._add_to_front(index, losses)

    def __len__(self) -> int:
        """Returns the number of trials with all objectives."""
        return len(self._params)

    @property
    def ended(self) -> int:
        """Number of different assignments whose trial has ended, with or without objectives."""
        return len(self._ended)

    @property
    def losses(self) -> np.ndarray:
        """Losses [T, M] of the trials with all objectives."""
        return self._losses.array

    @property
    def rows(self) -> np.ndarray:
        """Features [T, width] of all trials that have ended."""
        return self._all_rows.array

    @property
    def observations(self) -> tuple[np.ndarray, np.ndarray]:
        """Features [T, width] and losses [T, M] of all trials with any objective; NaN if unknown.

        Trials that were screened out come last. Their speed and size are known, so a surrogate
        learns from them which networks break constraints.
        """
        rows, losses = self._rows.array, self._losses.array
        if not self._partial:
            return rows, losses
        partial_rows, partial_losses = zip(*self._partial, strict=True)
        return np.array([*rows, *partial_rows]), np.array([*losses, *partial_losses])

    @property
    def successes(self) -> tuple[np.ndarray, np.ndarray]:
        """Features [T, width] of all trials, and 1 for each trial with values, else 0 [T].

        A trial with a violation that its objectives do not show counts as 0.
        """
        return self._all_rows.array, np.array(self._successes)

    @property
    def front(self) -> np.ndarray:
        """Losses [front, M] of the feasible non-dominated trials."""
        return self._front.losses

    def feasible(self, most: int) -> list[int]:
        """Returns the indices of the feasible trials; of more than `most`, those on the front."""
        indices = sorted(self._feasible)
        return indices if len(indices) <= most else list(self._front.members)

    @property
    def trainings(self) -> np.ndarray:
        """Number of trainings [T] of the trials with all objectives."""
        return np.array(self._trainings)

    @property
    def parents(self) -> list[Params]:
        """Parameters of the trials on the front, in the order in which they were added."""
        return [self._params[member] for member in self._front.members]
