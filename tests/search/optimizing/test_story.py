"""The sentences of a round."""

from __future__ import annotations

from dataclasses import replace

from paretune.search.optimizing.final_choice import FinalChoice, final_choice
from paretune.search.optimizing.space_edits import AddValue, DropOption, SetEpochs, SetRange
from paretune.search.optimizing.story import (
    baseline_sentence,
    end_sentence,
    goal_lines,
    learned_sentence,
    next_sentence,
    plan_sentence,
)
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import TrialRecord
from support.optimizing import AXES, complete, measured, record_of_trials

GOALS = [
    read_constraint(text, {"latency": "ms", "accuracy": "fraction"})
    for text in ("latency <= 0.5 x baseline", "accuracy >= baseline - 1%")
]


def choice_of(*trials: TrialRecord) -> FinalChoice:
    choice = final_choice(record_of_trials(*trials), GOALS)
    assert choice is not None
    return choice


def test_baseline_is_told_with_its_bottleneck() -> None:
    baseline = complete(0, 0.95, 2.0)
    text = baseline_sentence(baseline, AXES, "its layer fc (Linear) takes 61 %", GOALS)
    assert text == (
        "The baseline (simple_cnn width 0.5) has accuracy 95.00 % and latency 2.00 ms; "
        "its layer fc (Linear) takes 61 %."
    )
    assert baseline_sentence(baseline, AXES, None, GOALS).endswith("2.00 ms.")


def test_goals_that_the_baseline_meets_are_told() -> None:
    goal = read_constraint("latency <= 3 ms", {"latency": "ms"})
    text = baseline_sentence(complete(0, 0.95, 2.0), AXES, None, [goal])
    assert text.endswith("latency 2.00 ms; it meets every goal already.")


def test_plan_says_why_trainings_are_short() -> None:
    assert plan_sentence(["pruning", "finetune"], 0.25, True, 60.0) == (
        "Round 1 tries pruning and finetune for 60 s with 25 % of the epochs or all, because short "
        "trainings show sooner what pays."
    )
    assert "shorter ones would not pay" in plan_sentence(["pruning"], 1.0, True, 60.0)
    assert "no trial needs a training" in plan_sentence(["quantization"], 1.0, False, 60.0)


def test_round_is_told_with_figures_when_it_meets_the_goals() -> None:
    trials = [complete(1, 0.949, 0.6), complete(2, 0.90, 0.5)]
    assert learned_sentence(3, trials, 61.2, choice_of(*trials)) == (
        "Round 3 ran 2 trials in 61 s: trial 1 (simple_cnn width 0.5) meets every goal with "
        "latency 0.600 ms and accuracy 94.90 %."
    )


def test_round_is_told_with_what_is_missing() -> None:
    text = learned_sentence(1, [complete(1, 0.94, 1.5)], 9.0, choice_of(complete(1, 0.94, 1.5)))
    assert text.endswith(
        'is nearest to the goals, and misses "latency <= 0.5 x baseline" by 0.500 ms '
        "(it has 1.50 ms)."
    )
    text = learned_sentence(1, [complete(1, 0.92, 0.5)], 9.0, choice_of(complete(1, 0.92, 0.5)))
    assert text.endswith('misses "accuracy >= baseline - 1%" by 2 points (it has 92.00 %).')


def test_round_without_a_result_names_the_usual_reason() -> None:
    reason = {"stage": "prune", "type": "InfeasibleCandidate", "text": "nothing is left\nmore"}
    failed = replace(complete(1, 0.9, 1.0), state="infeasible", reason=reason)
    text = learned_sentence(1, [failed, failed], 3.0, None)
    assert text == "Round 1 ran 2 trials in 3.0 s, and none could be measured (nothing is left)."


def test_next_round_is_told_with_reasons() -> None:
    edits = [
        DropOption("quantization", "dynamic", "its 4 trials have no chance for the front"),
        SetRange("pruning.structured.ratio", (0.1, 0.8), (0.3, 0.7), "6 good trials"),
        AddValue("width", 0.125, "3 best trials"),
        SetEpochs("finetune.epochs", (3, 6), "half"),
    ]
    assert next_sentence(2, edits, 0.5, 0.25) == (
        "Round 2 trains up to 50 % of the epochs for what is promising, drops dynamic from "
        "quantization (its 4 trials have no chance for the front), searches "
        "pruning.structured.ratio in 0.3 .. 0.7 (6 good trials) and makes 1 more change "
        "(see the report)."
    )
    assert next_sentence(3, edits[-1:], 1.0, 1.0) == (
        "Round 3 keeps the space, as nothing in it is worse beyond noise."
    )


def test_end_says_why_and_what_is_exported() -> None:
    choice = choice_of(complete(7, 0.949, 0.6))
    text = end_sentence("the time is over", choice)
    assert text == "No round follows: the time is over; trial 7 is exported."
    assert "nothing to export" in end_sentence("the time is over", None)


def test_goals_are_listed_with_value_and_bound() -> None:
    lines = goal_lines(choice_of(complete(1, 0.93, 0.5)), measured(0.95, 2.0))
    assert lines == [
        'goal "latency <= 0.5 x baseline": met with 0.500 ms (bound 1.00 ms), 4.0x better '
        "than the baseline",
        'goal "accuracy >= baseline - 1%": MISSED with 93.00 % (bound 94.00 %)',
    ]
