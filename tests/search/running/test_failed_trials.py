"""`--retry-failed` runs failed trials again under their numbers."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.retries import Retries, attempt_of
from support.studies import database_of, url_of
from support.trainers import TrainerStudyFile, trainer_study


@pytest.fixture
def study(tmp_path: Path) -> TrainerStudyFile:
    """Returns a study of 5 plans, two of which failed."""
    study = trainer_study(tmp_path)
    study.fail(2, 4)
    study.run()
    return study


def states(study: TrainerStudyFile) -> dict[int, str]:
    """Returns depth -> state of the trials that repeat no other."""
    trials = [t for t in study.record.trials if t.repeat_of is None]
    return {t.params["depth"]: t.state for t in trials}


def optuna_states(study: TrainerStudyFile) -> dict[int, str]:
    mirrored = optuna.load_study(study_name="depths", storage=url_of(study.file)).trials
    return {t.number: t.state.name for t in mirrored}


def test_failed_trials_complete_under_their_numbers(study: TrainerStudyFile) -> None:
    numbers = {t.params["depth"]: t.number for t in study.record.trials}
    study.fail()
    assert study.run(retry_failed=True).reason == "all 5 plans are done"
    assert states(study) == dict.fromkeys(range(1, 6), "complete")
    assert {t.params["depth"]: t.number for t in study.record.trials} == numbers
    assert Counter(study.calls) == {1: 1, 2: 2, 3: 1, 4: 2, 5: 1}
    assert {event.trial for event in study.started} == {numbers[2], numbers[4]}
    assert {event.attempt for event in study.started} == {2}


def test_plain_run_leaves_failed_trials_alone(study: TrainerStudyFile) -> None:
    study.fail()
    study.run()
    assert Counter(study.calls) == dict.fromkeys(range(1, 6), 1)


def test_retried_trials_enter_the_front_and_the_counts(study: TrainerStudyFile) -> None:
    assert len(study.record.members) == 3
    study.fail()
    study.run(retry_failed=True)
    assert study.record.members == {t.number for t in study.record.trials if t.repeat_of is None}
    assert [event.done for event in study.ended] == [4, 5]


def test_trial_that_fails_again_says_so_once(study: TrainerStudyFile) -> None:
    study.fail(4)
    study.run(retry_failed=True)
    assert states(study)[2] == "complete"
    assert states(study)[4] == "failed"
    assert Counter(study.calls)[4] == 2
    [again] = [event.result for event in study.ended if event.result.state == "failed"]
    assert again.reason and again.reason["attempts"] == "2"
    study.run(retry_failed=True)
    [third] = study.ended
    assert third.result.reason and third.result.reason["attempts"] == "3"


def test_run_without_failed_trials_says_that_there_is_nothing_to_try(tmp_path: Path) -> None:
    study = trainer_study(tmp_path)
    study.run()
    study.run(retry_failed=True)
    assert study.notices == ["no trial has failed: there is nothing to try again"]


def test_numbers_are_named_at_the_beginning(study: TrainerStudyFile) -> None:
    failed = [t.number for t in study.record.trials if t.state == "failed"]
    study.fail()
    study.run(retry_failed=True)
    assert study.notices == [f"failed before, tried again: trials {failed[0]} and {failed[1]}"]


def test_optuna_receives_the_new_results(study: TrainerStudyFile) -> None:
    assert Counter(optuna_states(study).values())["FAIL"] == 2
    study.fail()
    study.run(retry_failed=True)
    assert set(optuna_states(study).values()) == {"COMPLETE"}


def test_retry_runs_when_the_budget_is_spent(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: {int: [1, 1000]}}", trials=6)
    study.fail(*range(1, 1001))
    study.run("search.max_failures=10")
    assert set(states(study).values()) == {"failed"}
    study.fail()
    ending = study.run("search.max_failures=10", retry_failed=True)
    assert ending.reason == "all 6 trials are done"
    assert Counter(states(study).values()) == {"complete": 6}


def test_retries_stop_after_too_many_failures_in_a_row(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: {int: [1, 1000]}}", trials=6)
    study.fail(*range(1, 1001))
    study.run("search.max_failures=10")
    ending = study.run("search.max_failures=2", retry_failed=True)
    assert ending.reason == "2 trials in a row failed"
    assert len(study.ended) == 2
    assert set(states(study).values()) == {"failed"}
    assert len([t for t in study.record.trials if t.state == "running"]) == 0


def test_samplers_learn_the_new_result_when_the_study_continues(study: TrainerStudyFile) -> None:
    from paretune.search.sampling.proposer import Proposer

    learned: list[tuple[str, int]] = []
    study.fail()
    original = Proposer.replay
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Proposer,
            "replay",
            lambda self, proposal, outcome: (
                learned.append((outcome.state, proposal["params"]["depth"])),
                original(self, proposal, outcome),
            )[1],
        )
        study.run(retry_failed=True)
    assert sorted(depth for _, depth in learned if depth in (2, 4)) == [2, 4]
    assert {state for state, _ in learned} == {"complete"}


def test_two_workers_retry_each_trial_once(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: {int: [1, 1000]}}", trials=12)
    study.fail(*range(1, 1001))
    study.run("search.max_failures=50")
    study.fail()
    second = TrainerStudyFile(study.file)
    with pytest.MonkeyPatch.context() as patch:
        # Handlers are for the main thread.
        patch.setattr("paretune.search.running.worker.BEAT", 0.1)
        threads = [
            threading.Thread(
                target=one.run, args=("search.max_failures=50",), kwargs={"retry_failed": True}
            )
            for one in (study, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert Counter(Counter(study.calls).values()) == {2: 12}
    assert Counter(states(study).values()) == {"complete": 12}


def test_killed_retry_is_taken_over_by_the_next_run(study: TrainerStudyFile) -> None:
    engine = open_engine(url_of(study.file))
    retries = Retries(engine)
    number, finished = next(iter(retries.failed().items()))
    row = retries.reopen(number, finished, "dead")  # as if its worker was killed then
    assert row is not None and attempt_of(row) == 2
    engine.dispose()
    study.fail()
    study.run()
    [task] = study.started
    assert (task.trial, task.taken_over, task.attempt) == (number, True, 2)
    assert {t.state for t in study.record.trials if t.number == number} == {"complete"}


def test_trial_is_opened_by_one_worker_only(study: TrainerStudyFile) -> None:
    engine = open_engine(url_of(study.file))
    retries = Retries(engine)
    number, finished = next(iter(retries.failed().items()))
    assert retries.reopen(number, finished, "a") is not None
    assert retries.reopen(number, finished, "b") is None
    engine.dispose()


def change(study: TrainerStudyFile, statement: str, *values: object) -> None:
    """Changes the database."""
    with closing(sqlite3.connect(database_of(study.file))) as connection, connection:
        connection.execute(statement, values)


def test_trial_out_of_memory_is_retried_with_its_repeats(study: TrainerStudyFile) -> None:
    trials = [t for t in study.record.trials if t.repeat_of is None]
    first, second, *_ = [t for t in trials if t.state == "complete"]
    reason = '{"stage": "pretrain", "type": "OutOfMemoryError", "text": "CUDA"}'
    statement = "UPDATE paretune_trials SET state = 'infeasible', reason = ?, \"values\" = '{}'"
    change(study, f"{statement} WHERE number = ?", reason, first.number)
    change(
        study, f"{statement}, repeat_of = ? WHERE number = ?", reason, first.number, second.number
    )
    study.fail()
    study.run(retry_failed=True)
    record = {t.number: t for t in study.record.trials}
    assert record[first.number].state == record[second.number].state == "complete"
    assert record[first.number].values == record[second.number].values
    assert record[second.number].repeat_of == first.number


def test_trial_is_not_retried_when_its_plan_ended_later(study: TrainerStudyFile) -> None:
    failed = next(t for t in study.record.trials if t.state == "failed")
    complete = next(t for t in study.record.trials if t.state == "complete")
    change(
        study,
        "UPDATE paretune_trials SET plan_key = (SELECT plan_key FROM paretune_trials "
        "WHERE number = ?) WHERE number = ?",
        failed.number,
        complete.number,
    )
    engine = open_engine(url_of(study.file))
    assert failed.number not in Retries(engine).failed()
    engine.dispose()


def test_measurements_of_the_failed_attempt_are_removed(tmp_path: Path) -> None:
    study = trainer_study(tmp_path)
    text = study.file.read_text().replace("space:", 'cheap: "cheap_costs:cheap"\nspace:')
    study.file.write_text(text)
    (tmp_path / "cheap_costs.py").write_text(
        "def cheap(plan):\n    return {'cost': plan['depth']}\n"
    )
    study.fail(2)
    study.run()
    assert any(t.state == "failed" and t.measurements for t in study.record.trials)
    study.fail()
    study.run(retry_failed=True)
    assert {t.state for t in study.record.trials} == {"complete"}
    assert all(
        set(t.measurements) == {"error", "cost"} for t in study.record.trials if t.repeat_of is None
    )
