"""Promotion agrees with rungs computed by hand, and keeps its rule for random trials."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from paretune.search.racing.promotion import RungEntry, best_trials, promotions


def entry(trial: int, *losses: float, promoted: bool = False) -> RungEntry:
    return RungEntry(trial, dict(zip("abc", losses, strict=False)), promoted)


def test_no_trial_is_promoted_before_eta_trials_have_come() -> None:
    assert best_trials([entry(1, 0.0), entry(2, 1.0)], 3) == []
    assert best_trials([entry(1, 0.2), entry(2, 0.1), entry(3, 0.3)], 3) == [2]


def test_best_trials_are_ordered_by_front_and_spread() -> None:
    entries = [entry(n, *losses) for n, losses in enumerate([(1, 4), (2, 2), (4, 1), (3, 3)], 1)]
    assert best_trials(entries, 2) == [1, 3]
    assert best_trials(entries[1:], 3) == [2], "the least first loss of a front of two"


def test_objective_that_a_trial_lacks_is_not_compared() -> None:
    entries = [entry(1, 0.3, 1.0), entry(2, 0.1), entry(3, 0.2, 2.0)]
    assert best_trials(entries, 3) == [2]


def test_trial_without_losses_counts_but_is_never_promoted() -> None:
    entries = [RungEntry(1, None), RungEntry(2, None), entry(3, 5.0)]
    assert best_trials(entries, 3) == [3]
    assert best_trials([RungEntry(1, None), RungEntry(2, None), RungEntry(3, None)], 3) == []


def test_promotions_contain_paused_trials_highest_rung_first() -> None:
    rungs = {
        1: [entry(1, 0.1, promoted=True), entry(2, 0.2), entry(3, 0.3), entry(4, 0.4)],
        3: [entry(5, 0.5), entry(6, 0.6), entry(7, 0.7)],
    }

    def best(step: int, entries: Sequence[RungEntry]) -> list[int]:
        return best_trials(entries, 2 if step == 1 else 3)

    assert list(promotions(rungs, best, {2, 3, 4, 5, 6, 7})) == [(5, 3), (2, 1)]
    assert list(promotions(rungs, best, {3, 4, 6, 7})) == []


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("objectives", [1, 3])
def test_promoted_trials_are_the_best_ones(seed: int, objectives: int) -> None:
    random = np.random.default_rng(seed)
    eta = 2 + seed % 3
    losses: dict[int, np.ndarray] = {}
    promoted: set[int] = set()
    for number in range(60):
        losses[number] = random.random(objectives)
        entries = [entry(n, *row, promoted=n in promoted) for n, row in losses.items()]
        best = best_trials(entries, eta)
        assert len(best) == len(entries) // eta == len(set(best))
        for n in set(losses) - set(best):  # dominates none of the best
            assert not any((losses[n] < losses[b]).all() for b in best)
        for trial, _ in promotions({1: entries}, lambda _, rows: best_trials(rows, eta), losses):
            assert trial in best and trial not in promoted
            promoted.add(trial)
        assert set(best) <= promoted, "an idle worker promotes all of them"
