"""Chances of trials to be on the front, compared with trials of at most their epochs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paretune.search.optimizing.evidence import BEST, epochs_of, evidence_of, is_short
from paretune.search.study.constraints import read_constraint
from support.optimizing import complete, record_of_trials

GOALS = [read_constraint("latency <= 0.5 x baseline", {"latency": "ms"})]


def test_dominated_trial_has_no_chance_and_the_best_one_has() -> None:
    record = record_of_trials(complete(1, 0.95, 0.5), complete(2, 0.85, 1.5))
    first, second = evidence_of(record, GOALS)
    assert first.chance > 0.95
    assert second.chance < 0.01


def test_trial_within_the_noise_of_seeds_keeps_a_chance() -> None:
    # The interval of its accuracy is exact, but another seed may give half a point more.
    record = record_of_trials(complete(1, 0.950, 1.0, half=0), complete(2, 0.946, 1.0, half=0))
    assert evidence_of(record, GOALS)[1].chance > 0.1


def test_short_trial_is_not_compared_with_a_longer_one() -> None:
    short, long = complete(1, 0.85, 1.0, epochs=3), complete(2, 0.95, 0.9, epochs=12)
    first, second = evidence_of(record_of_trials(short, long), GOALS)
    assert (first.epochs, second.epochs) == (3, 12)
    assert first.chance > 0.99
    long_bad, short_good = complete(1, 0.85, 1.0, epochs=12), complete(2, 0.95, 0.9, epochs=3)
    assert evidence_of(record_of_trials(long_bad, short_good), GOALS)[0].chance < 0.01


def test_trial_that_breaks_a_constraint_beyond_noise_has_no_chance() -> None:
    text = "accuracy >= baseline - 3%"  # 92 %
    far = complete(1, 0.80, 0.1, violations={text: 0.13})
    near = complete(2, 0.919, 0.2, violations={text: 0.001})
    first, second = evidence_of(record_of_trials(far, near), GOALS)
    assert first.chance == 0 and not first.best
    assert second.chance > 0.9 and second.best


def test_trials_that_failed_count_and_those_that_run_do_not() -> None:
    record = record_of_trials(
        replace(complete(1, 0.9, 1.0), state="failed"),
        replace(complete(2, 0.9, 1.0), state="infeasible", violations={}),
        replace(complete(3, 0.9, 1.0), state="infeasible", violations={"size <= 1 KB": 2.0}),
        replace(complete(4, 0.9, 1.0), state="running"),
        replace(complete(5, 0.9, 1.0), repeat_of=1),
    )
    found = evidence_of(record, GOALS)
    assert [(t.number, t.chance, t.impossible) for t in found] == [
        (1, 0.0, False),
        (2, 0.0, True),
        (3, 0.0, False),
    ]


def test_best_trials_are_the_nearest_to_the_goals() -> None:
    trials = [complete(n, 0.9, 2.0 - 0.1 * n) for n in range(1, 9)]
    best = [t.number for t in evidence_of(record_of_trials(*trials), GOALS) if t.best]
    assert best == list(range(9 - BEST, 9))


def test_epochs_are_those_of_all_trainings() -> None:
    trial = replace(
        complete(1, 0.9, 1.0),
        plan=[
            {"kind": "pretrain", "params": {"recipe": {"epochs": 5}}},
            {"kind": "prune", "params": {"pruning": {"structured": {"ratio": 0.5}}}},
            {"kind": "quantize", "params": {"quantization": {"qat": {"epochs": 2}}}},
            {"kind": "finetune", "params": {"recipe": {"epochs": 3}, "teacher": {"epochs": 99}}},
        ],
    )
    assert epochs_of(trial) == 10


@pytest.mark.parametrize("count", [0, 1])
def test_few_trials_are_no_problem(count: int) -> None:
    trials = [complete(n, 0.9, 1.0) for n in range(1, count + 1)]
    assert len(evidence_of(record_of_trials(*trials), GOALS)) == count


def test_bound_on_a_score_is_no_evidence_against_a_short_training() -> None:
    score, cost = "accuracy >= baseline - 3%", "latency <= 1 ms"
    short = complete(1, 0.80, 0.5, epochs=3, violations={score: 0.13})
    slow = complete(2, 0.80, 1.5, epochs=3, violations={cost: 0.5})
    record = record_of_trials(short, slow)
    first, second = evidence_of(record, GOALS, {"finetune.epochs": 12})
    assert first.chance > 0.99 and second.chance == 0
    long = replace(short, plan=complete(1, 0.8, 0.5, epochs=12).plan)
    [only] = evidence_of(record_of_trials(long), GOALS, {"finetune.epochs": 12})
    assert only.chance == 0


def test_training_is_short_by_the_epochs_of_its_own_stage() -> None:
    trial = complete(1, 0.9, 1.0, epochs=6)
    assert is_short(trial, {"finetune.epochs": 12})
    assert not is_short(trial, {"finetune.epochs": 6})
    assert not is_short(trial, {"pretrain.epochs": 12})  # its network was trained before
    assert not is_short(trial, {})
