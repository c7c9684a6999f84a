"""Rounds that fit the time, and a time that is too short."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from paretune.search.errors import UserError
from paretune.search.optimizing.epochs import (
    ENOUGH,
    MOST_SHARE,
    SPARE,
    epoch_edits,
    epoch_factor,
    full_epochs,
    kept_shares,
    longer_shares,
    shares_of,
    trained_shares,
)
from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.time_plan import (
    TrialTime,
    measured_trial_time,
    number_of_rounds,
    refuse_short_time,
    reserved,
    round_seconds,
)
from support.optimizing import SPACE, TREE, complete

TIME = TrialTime(baseline=30.0, training=40.0, rest=10.0)
LONG = 100 * TIME.seconds


def test_short_time_is_refused_with_the_figure_that_suffices() -> None:
    with pytest.raises(UserError) as error:
        refuse_short_time(60.0, 5.0, TIME)
    text = str(error.value)
    assert "5.0 s are spent" in text
    assert "30 s for the baseline" in text and "50 s for a trial" in text
    [(number, unit)] = re.findall(r"at least --time (\d+)([smh])", text)
    enough = int(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    refuse_short_time(enough, 5.0, TIME)
    assert enough < 2 * (5 + 30 + 50 + reserved(60.0, 10.0))


@pytest.mark.parametrize("factor", [1, 100, 10_000])
def test_advised_time_suffices_at_every_scale(factor: int) -> None:
    time = TrialTime(30.0 * factor, 40.0 * factor, 10.0 * factor)
    with pytest.raises(UserError) as error:
        refuse_short_time(1.0, 0.0, time)
    [(number, unit)] = re.findall(r"at least --time (\d+)([smh])", str(error.value))
    refuse_short_time(int(number) * {"s": 1, "m": 60, "h": 3600}[unit], 0.0, time)


@pytest.mark.parametrize(
    ("trials", "rounds"), [(0, 1), (3.9, 1), (4, 3), (39, 3), (41, 4), (100, 5), (9999, 6)]
)
def test_rounds_grow_with_the_trials_that_fit(trials: float, rounds: int) -> None:
    assert number_of_rounds(trials * 10.0, 10.0) == rounds


def test_round_takes_its_part_of_the_rest_but_a_trial_at_least() -> None:
    assert round_seconds(300.0, 3, 10.0) == 100.0
    assert round_seconds(30.0, 3, 20.0) == 20.0
    assert round_seconds(15.0, 3, 20.0) == 15.0
    assert round_seconds(15.0, 0, 1.0) == 15.0


def test_epochs_are_a_quarter_a_half_and_all() -> None:
    full = full_epochs(SPACE, TREE)
    assert full == {"finetune.epochs": 12}
    assert shares_of(4, full, LONG, TIME) == (0.25, 0.5, 1.0, 1.0)
    assert shares_of(3, full, LONG, TIME) == (0.25, 0.5, 1.0)
    assert shares_of(1, full, LONG, TIME) == (1.0,)
    [edit] = epoch_edits(full, [0.25])
    assert edit.values == (3,)
    [edit] = epoch_edits(full, [0.5, 1.0])
    assert edit.values == (6, 12)


def test_short_trainings_stay_until_enough_trials_trained_longer() -> None:
    few, enough = [0.5] * (ENOUGH - 1), [0.5] * ENOUGH
    assert kept_shares([0.25, 0.5], []) == (0.25, 0.5)
    assert kept_shares([0.25, 0.5, 1.0], [*few, 0.25, 0.25]) == (0.25, 0.5, 1.0)
    assert kept_shares([0.25, 0.5, 1.0], enough) == (0.5, 1.0)
    assert kept_shares([0.5, 1.0, 1.0], [1.0] * ENOUGH) == (1.0,)
    assert kept_shares([1.0, 1.0], []) == (1.0,)


def test_trainings_become_longer_only_after_all_epochs_and_with_time() -> None:
    shares, trial = (0.5, 1.0, 1.0), TrialTime(0.0, 8.0, 2.0)
    enough = SPARE * trial.at(2.0)
    assert longer_shares(shares, 1, enough, trial) == shares  # half the epochs so far
    assert longer_shares(shares, 2, enough - 1, trial) == shares
    assert longer_shares(shares, 2, enough, trial) == (0.5, 1.0, 2.0)
    assert longer_shares(shares, 5, enough, trial) == (0.5, 1.0, 1.0, 1.0, 1.0, 2.0)
    assert longer_shares((1.0, MOST_SHARE), 2, 1e9, trial) == (1.0, MOST_SHARE)
    assert longer_shares(shares, 2, 1e9, TrialTime(0.0, 0.0, 2.0)) == shares  # nothing trains


def test_full_epochs_grow_when_trainings_are_faster_than_planned() -> None:
    trial = TrialTime(0.0, 8.0, 2.0)
    assert epoch_factor(10 * trial.at(2.0) - 1, trial, 10) == 1
    assert epoch_factor(10 * trial.at(2.0), trial, 10) == 2
    assert epoch_factor(1e9, trial, 10) == MOST_SHARE
    assert epoch_factor(1e9, TrialTime(0.0, 0.0, 2.0), 10) == 1


def test_no_training_is_shortened_to_a_moment() -> None:
    assert shares_of(4, {"finetune.epochs": 7}, LONG, TIME) == (0.5, 1.0, 1.0, 1.0)
    assert shares_of(4, {"finetune.epochs": 5, "pretrain.epochs": 60}, LONG, TIME) == (1.0,) * 4


def test_share_of_a_trial_is_that_of_its_shortest_training() -> None:
    full = {"pretrain.epochs": 20, "finetune.epochs": 10}
    long = Evidence(1, {"pretrain.epochs": "20", "finetune.epochs": "5"}, 0.0, 25)
    literal = Evidence(2, {"pruning": "none"}, 0.0, 7)
    assert trained_shares(full, [long, literal]) == [0.5]


def test_trainings_are_not_shortened_where_few_trials_fit() -> None:
    epochs = {"finetune.epochs": 12}
    assert shares_of(3, epochs, SPARE * TIME.seconds, TIME) == (0.25, 0.5, 1.0)
    assert shares_of(3, epochs, (SPARE - 1) * TIME.seconds, TIME) == (1.0, 1.0, 1.0)


def test_trainings_are_not_shortened_where_that_saves_little() -> None:
    quick = TrialTime(baseline=0.0, training=2.0, rest=8.0)
    assert shares_of(3, {"finetune.epochs": 12}, LONG, quick) == (1.0, 1.0, 1.0)
    assert shares_of(3, {}, LONG, TIME) == (1.0, 1.0, 1.0)
    few = {**SPACE, "finetune": {**SPACE["finetune"], "epochs": 2}}
    assert full_epochs(few, TREE) == {}


def test_time_of_a_trial_is_measured_and_scaled_to_all_epochs() -> None:
    trials = [complete(n, 0.9, 1.0) for n in range(1, 4)]
    time = measured_trial_time([*trials, replace(trials[0], state="failed")], full_share=0.5)
    assert time == TrialTime(0.0, 12.0, 2.0)
    assert time is not None and time.at(0.5) == 8.0 and time.training_share == 12 / 14
    assert measured_trial_time([replace(trials[0], state="failed")], 1.0) is None
