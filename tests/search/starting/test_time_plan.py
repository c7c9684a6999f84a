"""Epochs and trials that fit the time."""

from __future__ import annotations

import pytest

from paretune.search.starting.time_plan import (
    FEWEST,
    MOST,
    TRIALS,
    USABLE,
    shortest_study,
    time_plan,
    too_short,
)
from support.start_facts import FACTS, facts, untrained


@pytest.mark.parametrize("seconds", [200, 1000, 3600, 7200, 100_000])
@pytest.mark.parametrize("network", [FACTS, untrained(), facts(epoch=60.0)])
def test_plan_fits_into_the_time(network: object, seconds: float) -> None:
    plan = time_plan(network, seconds, 3, True)  # type: ignore[arg-type]
    if plan is not None:
        assert plan.total <= USABLE * seconds and 1 <= plan.trials <= MOST


def test_more_time_gives_longer_trainings_and_more_trials() -> None:
    short, long = (time_plan(FACTS, seconds, 1, True) for seconds in (400, 40_000))
    assert short is not None and long is not None
    assert short.finetune < long.finetune and short.trials <= long.trials


def test_little_time_shortens_trainings_before_trials_become_few() -> None:
    plan = time_plan(facts(epoch=10.0), 1500, 1, True)
    assert plan is not None and plan.trials >= FEWEST


def test_study_without_a_time_has_the_usual_trials() -> None:
    plan = time_plan(FACTS, None, 1, True)
    assert plan is not None and plan.trials == TRIALS and plan.pretrain == 0


def test_untrained_baseline_is_trained() -> None:
    plan = time_plan(untrained(), None, 1, True)
    assert plan is not None and plan.pretrain > plan.finetune


def test_time_for_less_than_one_trial_gives_no_plan() -> None:
    slow = facts(epoch=100.0)
    shortest = shortest_study(slow, 1, True)
    assert time_plan(slow, 0.9 * shortest, 1, True) is None
    assert time_plan(slow, 1.1 * shortest, 1, True) is not None


def test_study_that_trains_nothing_has_no_epochs() -> None:
    plan = time_plan(FACTS, 600, 1, False)
    assert plan is not None and plan.finetune == 0 and plan.trials > TRIALS


def test_text_of_a_short_time_says_what_to_type() -> None:
    text = too_short("2s", 13.0, 0.04)
    assert text == (
        "--time 2s: is too short for the baseline and one trial, which take about 13 s "
        "(an epoch takes 40 ms); give time for ten: --time 3m"
    )
