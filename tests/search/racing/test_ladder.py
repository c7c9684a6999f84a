"""Asynchronous halving: hand-computed rungs, and what holds whatever comes in whatever order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from paretune.search.racing.ladder import RungEntry, best_trials, promotions
from paretune.search.study.racing_options import RacingParams


def entry(trial: int, *losses: float, promoted: bool = False) -> RungEntry:
    return RungEntry(trial, dict(zip("abc", losses, strict=False)), promoted)


@pytest.mark.parametrize(
    ("whole", "params", "rungs"),
    [
        (27, {}, (1, 3, 9)),
        (18, {}, (1, 3, 9)),
        (17, {}, (1, 3)),
        (10, {"first": 2, "eta": 2}, (2, 4)),
        (2, {}, (1,)),
        (3, {"first": 2}, ()),
    ],
)
def test_rungs_grow_by_eta_up_to_half_of_the_whole(
    whole: int, params: dict[str, int], rungs: tuple[int, ...]
) -> None:
    assert RacingParams(**params).rungs(whole) == rungs


@pytest.mark.parametrize(
    ("step", "rung"), [(1, None), (2, 2), (5, 2), (6, 6), (17, 6), (18, 18), (39, 18), (40, None)]
)
def test_step_counts_at_the_highest_rung_up_to_it(step: int, rung: int | None) -> None:
    assert RacingParams(first=2).rung(step, 40) == rung


def test_nobody_goes_on_before_eta_trials_have_come() -> None:
    assert best_trials([entry(1, 0.0), entry(2, 1.0)], 3) == []
    assert best_trials([entry(1, 0.2), entry(2, 0.1), entry(3, 0.3)], 3) == [2]


def test_chosen_are_the_best_part_by_front_and_spread() -> None:
    entries = [entry(n, *losses) for n, losses in enumerate([(1, 4), (2, 2), (4, 1), (3, 3)], 1)]
    assert best_trials(entries, 2) == [1, 3]
    assert best_trials(entries[1:], 3) == [2], "of the front of two the least first loss"


def test_objective_that_one_trial_does_not_tell_is_left_out() -> None:
    entries = [entry(1, 0.3, 1.0), entry(2, 0.1), entry(3, 0.2, 2.0)]
    assert best_trials(entries, 3) == [2]


def test_trial_without_numbers_counts_but_never_goes_on() -> None:
    entries = [RungEntry(1, None), RungEntry(2, None), entry(3, 5.0)]
    assert best_trials(entries, 3) == [3]
    assert best_trials([RungEntry(1, None), RungEntry(2, None), RungEntry(3, None)], 3) == []


def test_promotable_are_those_that_wait_highest_rung_first() -> None:
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
def test_whoever_goes_on_is_among_the_best_part_and_nobody_of_it_waits(
    seed: int, objectives: int
) -> None:
    random = np.random.default_rng(seed)
    eta = 2 + seed % 3
    losses: dict[int, np.ndarray] = {}
    promoted: set[int] = set()
    for number in range(60):
        losses[number] = random.random(objectives)
        entries = [entry(n, *row, promoted=n in promoted) for n, row in losses.items()]
        best = best_trials(entries, eta)
        assert len(best) == len(entries) // eta == len(set(best))
        remaining_rungs = [n for n in losses if n not in best]
        for n in remaining_rungs:  # nobody outside dominates anybody inside
            assert not any((losses[n] < losses[b]).all() for b in best)
        for trial, _ in promotions({1: entries}, lambda _, found: best_trials(found, eta), losses):
            assert trial in best and trial not in promoted
            promoted.add(trial)
        assert set(best) <= promoted, "an idle worker lets all of them go on"
