"""One trial in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.study.records import STRUCTURE_OF, StudyRecord, TrialRecord
from paretune.search.views.trial_text import trial_json, trial_text

MakeRecord = Callable[..., StudyRecord]


def first_complete(record: StudyRecord) -> TrialRecord:
    return next(t for t in record.trials if t.number and t.state == "complete")


def test_trial_text_lists_plan_times_and_measurements(make_record: MakeRecord) -> None:
    trial = first_complete(make_record(10))
    text = trial_text(trial)
    assert text.startswith(f"trial {trial.number}: complete\n  simple_cnn width")
    assert ", took 8.0 s" in text
    assert "validation\n  accuracy" in text and ", 400 observations" in text


def test_trial_text_shows_each_stage_as_in_a_study_file(make_record: MakeRecord) -> None:
    stage = {"kind": "prune", "params": {"pruning": {"x": {"a": None, "b": True, "c": [1, 0.5]}}}}
    text = trial_text(replace(first_complete(make_record(10)), plan=[stage]))
    assert text.endswith(
        "plan\n  pruning:\n    x:\n      b: true\n      c: [1, 0.5]\nstages: prune"
    )


def test_trial_text_names_the_baseline(make_record: MakeRecord) -> None:
    assert trial_text(make_record(1).trials[0]).startswith("trial 0: complete (the baseline)")


def test_trial_text_names_the_trial_that_was_timed(make_record: MakeRecord) -> None:
    trial = first_complete(make_record(10))
    timing = replace(trial.measurements["latency"], conditions={STRUCTURE_OF: 3})
    text = trial_text(replace(trial, measurements={"latency": timing}))
    assert text.count(", from trial 3 (same structure)") == 1


def test_trial_text_gives_the_reason_when_a_trial_failed(make_record: MakeRecord) -> None:
    failed = next(t for t in make_record(20).trials if t.state == "failed")
    assert "  failed in pretrain: RuntimeError: " in trial_text(failed)


def test_trial_text_counts_the_attempts_of_a_failed_trial(make_record: MakeRecord) -> None:
    failed = next(t for t in make_record(20).trials if t.state == "failed")
    reason = {**(failed.reason or {}), "text": "no memory", "attempts": "2"}
    text = trial_text(replace(failed, reason=reason))
    assert "  failed in pretrain: RuntimeError: no memory (tried 2 times)" in text


def test_trial_text_names_states_as_run_does(make_record: MakeRecord) -> None:
    infeasible = next(t for t in make_record(20).trials if t.state == "infeasible")
    assert "  infeasible in prune: nothing left & <b>bold</b>\n" in trial_text(infeasible)
    broken = replace(first_complete(make_record(10)), violations={"size <= 1 KB": 0.5})
    assert trial_text(broken).startswith(f"trial {broken.number}: complete, breaks a constraint\n")


def test_trial_text_omits_the_statistic_that_repeats_accuracy(make_record: MakeRecord) -> None:
    trial = first_complete(make_record(10))
    accuracy = trial.measurements["accuracy"]
    measurements = {**trial.measurements, "accuracy.top1": replace(accuracy, name="accuracy.top1")}
    assert "accuracy.top1" not in trial_text(replace(trial, measurements=measurements))


def test_trial_text_shows_the_last_steps_that_a_trainer_reported(make_record: MakeRecord) -> None:
    steps = [{"step": n, "values": {"error": None}, "seconds": 1.0} for n in range(1, 8)]
    trial = first_complete(make_record(10))
    text = trial_text(trial, steps)
    assert "reported, the last 5 of 7" in text
    assert text.count("error not a number") == 5
    assert len(trial_json(trial, steps)["steps"]) == 7
