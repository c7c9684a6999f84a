"""The trial that is exported."""

from __future__ import annotations

from dataclasses import replace

from paretune.search.optimizing.final_choice import MET_RULE, NEAREST_RULE, final_choice
from paretune.search.study.constraints import read_constraint
from support.optimizing import complete, record_of_trials

UNITS = {"accuracy": "fraction", "latency": "ms"}
GOALS = [
    read_constraint(text, UNITS)
    for text in ("latency <= 0.5 x baseline", "accuracy >= baseline - 1%")
]


def test_choice_balances_the_margins_when_several_trials_meet_the_goals() -> None:
    record = record_of_trials(
        complete(1, 0.941, 0.4),  # fastest, and hardly accurate enough
        complete(2, 0.949, 0.6),
        complete(3, 0.951, 0.98),  # most accurate, and hardly fast enough
        complete(4, 0.930, 0.2),  # misses the accuracy
    )
    choice = final_choice(record, GOALS)
    assert choice is not None
    assert choice.trial.number == 2
    assert choice.meeting == (1, 2, 3)
    assert choice.met and not choice.missed
    assert choice.rule == MET_RULE


def test_choice_is_the_nearest_trial_when_none_meets_the_goals() -> None:
    record = record_of_trials(
        complete(1, 0.949, 1.5),  # half of the way to the latency is missing
        complete(2, 0.938, 0.9),  # 0.2 of its point of accuracy is missing
        complete(3, 0.900, 0.2),
    )
    choice = final_choice(record, GOALS)
    assert choice is not None
    assert choice.trial.number == 2
    assert not choice.met and choice.rule == NEAREST_RULE
    assert [s.goal.quantity for s in choice.missed] == ["accuracy"]


def test_choice_keeps_the_constraints_if_a_trial_does() -> None:
    broken = complete(1, 0.95, 0.5, violations={"accuracy >= 99%": 0.04})
    kept = complete(2, 0.93, 0.9, violations={"accuracy >= 99%": -0.1})
    choice = final_choice(record_of_trials(broken, kept), GOALS)
    assert choice is not None and choice.trial.number == 2
    choice = final_choice(record_of_trials(broken), GOALS)
    assert choice is not None and choice.trial.number == 1


def test_choice_leaves_out_the_baseline_repeats_and_failures() -> None:
    record = record_of_trials(
        replace(complete(1, 0.96, 0.5), repeat_of=9),
        replace(complete(2, 0.96, 0.5), state="failed", measurements={}),
    )
    assert final_choice(record, GOALS) is None
