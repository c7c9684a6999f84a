"""What a search has learnt so far, in the form that models and mutations need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paretune.search.front.pareto import Front
from paretune.search.sampling.features import FeatureEncoder, Params, key_of


class History:
    """The finished trials of a search, each plan once.

    Args:
        features: How an assignment becomes a row.
        signs: -1 for an objective that is maximized, 1 for one that is minimized.
    """

    def __init__(self, features: FeatureEncoder, signs: Sequence[float]) -> None:
        self._features = features
        self._signs = np.array(signs)
        self._params: list[Params] = []
        self._rows: list[np.ndarray] = []
        self._losses: list[np.ndarray] = []
        self._fate_rows: list[np.ndarray] = []
        self._fates: list[float] = []
        self._partial: list[tuple[np.ndarray, np.ndarray]] = []
        self._front = Front()
        self._guesses: dict[tuple[object, ...], int] = {}
        self.known: set[tuple[object, ...]] = set()

    def add(
        self,
        params: Params,
        values: Sequence[float] | None,
        feasible: bool,
        foreseeable: bool = True,
    ) -> None:
        """Takes a finished trial in.

        Args:
            params: Its parameters.
            values: Its objectives in order, NaN for what is not known of one that ended before its
                training; None when nothing is.
            feasible: Whether it breaks no constraint.
            foreseeable: Whether values like these say so, if it does.
        """
        key = key_of(params)
        if ("told", *key) in self.known:
            return
        self.known |= {key, ("told", *key)}
        losses = None if values is None else np.array(values, dtype=float) * self._signs
        whole = losses is not None and not np.isnan(losses).any()
        guess = self._guesses.pop(key, None)
        if guess is not None:
            self._settle(guess, values if whole else None, feasible)
            return
        row = self._features.row(params)
        self._fate_rows.append(row)
        self._fates.append(float(losses is not None and foreseeable))
        if losses is None:
            return
        if not whole:
            self._partial.append((row, losses))
            return
        self._params.append(params)
        self._rows.append(row)
        self._losses.append(losses)
        if feasible:
            self._front.add(len(self._params) - 1, losses)

    def forget(self, params: Params) -> None:
        """What was proposed is not tried; what came of it an earlier time stays known."""
        key = key_of(params)
        if ("told", *key) not in self.known and key not in self._guesses:
            self.known.discard(key)

    def guess(self, params: Params, values: Sequence[float]) -> None:
        """Takes in what a trial is expected to come to that racing holds up.

        A model learns from it, the front does not; told again, it replaces what was said before,
        and so does the trial's end.
        """
        key = key_of(params)
        if ("told", *key) in self.known:
            return
        losses = np.array(values, dtype=float) * self._signs
        if key in self._guesses:
            self._losses[self._guesses[key]] = losses
            return
        self.known.add(key)
        row = self._features.row(params)
        self._fate_rows.append(row)
        self._fates.append(1.0)
        self._guesses[key] = len(self._params)
        self._params.append(params)
        self._rows.append(row)
        self._losses.append(losses)

    def _settle(self, place: int, values: Sequence[float] | None, feasible: bool) -> None:
        """A trial that was guessed has ended."""
        if values is None:
            return  # what was expected of it is all there will be
        self._losses[place] = np.array(values, dtype=float) * self._signs
        if feasible:
            self._front.add(place, self._losses[place])

    def __len__(self) -> int:
        """Trials that have values."""
        return len(self._params)

    @property
    def losses(self) -> np.ndarray:
        """[N, M]."""
        return np.array(self._losses)

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Features [T, width] and losses [T, M] of all that values are known of, NaN where not.

        What was screened comes last: its speed and size are known, and teach a model where bounds
        are broken.
        """
        rows = [*self._rows, *(row for row, _ in self._partial)]
        return np.array(rows), np.array([*self._losses, *(losses for _, losses in self._partial)])

    @property
    def fates(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of all trials, and 1 for each that came out with values that tell of it all."""
        return np.array(self._fate_rows), np.array(self._fates)

    @property
    def front(self) -> np.ndarray:
        """Losses [front, M] of the feasible non-dominated trials."""
        return self._front.losses

    @property
    def parents(self) -> list[Params]:
        """Parameters of the front's members, in the order they came."""
        return [self._params[member] for member in self._front.members]
