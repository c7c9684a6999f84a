"""The store returns what was written to it, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from paretune.search.database.rungs import Rungs
from paretune.search.database.store import Store, existing_store
from paretune.search.database.trials import ReadNew
from paretune.search.database.version import SCHEMA
from paretune.search.database.version_writer import VersionWriter
from paretune.search.database.versions import NewerVersion
from paretune.search.errors import UserError
from paretune.search.study.plan import Plan
from paretune.search.study.records import Axis, FrontPoint, Result
from paretune.search.study.stage import Stage

AXES = (Axis("accuracy", "fraction", "higher"), Axis("size", "bytes", "lower"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    store.create_study("made-up", {"study": "made-up"}, {"study": "made-up"}, AXES)
    yield store
    store.close()


def plan(width: float) -> Plan:
    return Plan((Stage("pretrain", {"architecture": {"simple_cnn": {"width": width}}}),))


def begin(store: Store, number: int, worker: str = "me", width: float | None = None) -> None:
    store.begin(
        number, worker, plan(number if width is None else width), {"width": number}, {"params": {}}
    )


def measured(accuracy: float) -> tuple[Measurement, ...]:
    return (
        Measurement("accuracy", accuracy, "fraction", "higher", 0.1, 0.9, 448, {"part": "val"}),
        Measurement("size", 1e6, "bytes", "lower", 1e6, 1e6, 1, {}),
    )


def test_stored_trial_is_read_back_unchanged(store: Store) -> None:
    begin(store, 0)
    result = Result(
        "complete",
        {"accuracy": 0.5, "size": 1e6},
        {"size <= 1 MB": -0.1},
        measured(0.5),
        artifact={"path": "a.onnx", "sha256": "0"},
        seconds={"pretrain": 1.5},
        cached=("prune",),
    )
    store.finish(0, result, "host")
    trial = store.trial(0)
    assert trial is not None
    assert trial.state == "complete"
    assert trial.values == result.values
    assert trial.measurements == {m.name: m for m in measured(0.5)}
    assert trial.violations == result.violations
    assert trial.artifact == result.artifact
    assert (trial.seconds, trial.cached) == ({"pretrain": 1.5}, ("prune",))
    assert trial.feasible


def test_running_trial_has_no_values(store: Store) -> None:
    begin(store, 0)
    trial = store.trial(0)
    assert trial is not None
    assert (trial.state, trial.values, trial.finished) == ("running", {}, None)
    assert [row["number"] for row in store.running()] == [0]


def test_second_trial_with_a_number_is_refused(store: Store) -> None:
    begin(store, 1)
    with pytest.raises(sa.exc.IntegrityError):
        begin(store, 1)


def test_trial_of_a_dead_worker_is_taken_over_once(store: Store) -> None:
    begin(store, 1, "dead")
    assert store.take_over(1, "dead", "first")
    assert not store.take_over(1, "dead", "second")
    assert store.running()[0]["worker"] == "first"


def test_worker_of_an_earlier_version_begins_and_takes_over_no_trial(store: Store) -> None:
    begin(store, 1, "dead")
    version = {"number": 2, "created": 1.0, "source": {}, "identity": {}, "axes": [], "changes": {}}
    with store.engine.begin() as connection:
        connection.execute(sa.insert(tables.versions), version)
    with pytest.raises(NewerVersion, match="the study has version 2 now"):
        store.take_over(1, "dead", "me")
    with pytest.raises(NewerVersion, match="the study has version 2 now"):
        store.begin_next(2, "me", plan(0.5), {}, {"params": {}})
    assert [(row["number"], row["worker"]) for row in store.running()] == [(1, "dead")]


def test_finished_trial_is_not_taken_over(store: Store) -> None:
    begin(store, 1, "dead")
    store.finish(1, Result("failed"), "host")
    assert not store.take_over(1, "dead", "me")


def test_same_plan_returns_the_first_trial_that_did_not_fail(store: Store) -> None:
    begin(store, 1, width=0.5)
    begin(store, 2, width=0.5)
    assert store.same_plan(plan(0.5).key) is None
    store.finish(1, Result("failed"), "host")
    assert store.same_plan(plan(0.5).key) is None, "the error may not occur again"
    store.finish(2, Result("infeasible"), "host")
    assert store.same_plan(plan(0.5).key) == 2
    assert store.same_plan(plan(0.25).key) is None


def test_count_done_leaves_out_baseline_repeats_and_running_trials(store: Store) -> None:
    for number in range(4):
        begin(store, number)
    store.finish(0, Result("complete", {"accuracy": 1, "size": 1}), "host")
    store.finish(1, Result("complete", {"accuracy": 1, "size": 1}), "host")
    store.finish(2, Result("complete", {"accuracy": 1, "size": 1}, repeat_of=1), "host")
    assert store.count_done() == 1


def test_test_measurements_replace_earlier_ones(store: Store) -> None:
    begin(store, 0)
    store.finish(0, Result("complete", {"accuracy": 0.5, "size": 1}, measured=measured(0.5)), "h")
    store.add_test(0, measured(0.4)[:1], "h")
    store.add_test(0, measured(0.3)[:1], "h")
    trial = store.trial(0)
    assert trial is not None
    assert trial.test["accuracy"].value == 0.3
    assert trial.measurements["accuracy"].value == 0.5


def test_hypervolume_history_is_in_order_of_time(store: Store) -> None:
    for number in (0, 1):
        begin(store, number)
        store.finish(number, Result("complete", {"accuracy": 0.5, "size": 1}), "h")
    store.add_front(FrontPoint(1, 20.0, 0.4, (0, 1)))
    store.add_front(FrontPoint(0, 10.0, 0.2, (0,)), is_last=False)
    record = store.record()
    assert [p.hypervolume for p in record.growth] == [0.2, 0.4]
    assert [t.number for t in record.front] == [0, 1]


def test_last_front_is_the_last_one_written_when_a_clock_goes_back(store: Store) -> None:
    for number in (0, 1):
        begin(store, number)
        store.finish(number, Result("complete", {"accuracy": 0.5, "size": 1}), "h")
    store.add_front(FrontPoint(0, 7200.0, 0.2, (0,)))
    store.add_front(FrontPoint(1, 3600.0, 0.4, (0, 1)))
    assert store.front_members() == (0, 1)
    assert [p.hypervolume for p in store.record().growth] == [0.2, 0.4]


def test_trial_that_another_worker_took_over_is_not_ended_here(store: Store) -> None:
    begin(store, 1)
    [row] = store.rows([1])
    assert store.is_owner(1, row["worker"])
    assert store.take_over(1, row["worker"], "other")
    assert not store.is_owner(1, row["worker"])
    result = Result("complete", {"accuracy": 0.5, "size": 1})
    assert store.finish(1, result, "h", worker=row["worker"]) is None
    assert store.rows([1])[0]["state"] == "running"
    assert store.finish(1, result, "h", worker="other") is not None


def test_end_of_a_trial_can_be_written_twice_when_the_first_answer_was_lost(store: Store) -> None:
    begin(store, 1)
    [row] = store.rows([1])
    measured = (Measurement("size", 1.0, "bytes", "lower", 1.0, 1.0, 1, {}),)
    result = Result("complete", {"accuracy": 0.5, "size": 1}, measured=measured)
    first = store.finish(1, result, "h", worker=row["worker"])
    assert store.finish(1, result, "h", worker=row["worker"]) == first


def test_sqlite_database_is_in_wal_mode(store: Store, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "study.db")
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


def test_tables_of_another_version_are_refused(store: Store, tmp_path: Path) -> None:
    store.update_study(schema=SCHEMA + 1)
    with (
        existing_store(f"sqlite:///{tmp_path / 'study.db'}") as other,
        pytest.raises(UserError, match="version"),
    ):
        other.study()


def test_tables_of_version_4_are_refused_with_what_they_lack(store: Store) -> None:
    store.update_study(schema=4)
    with pytest.raises(UserError, match=r"version 4 \(they lack the results on each example"):
        store.study()


def test_missing_database_is_refused_and_not_created(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="start it with: paretune run"),
        existing_store(f"sqlite:///{tmp_path / 'none.db'}"),
    ):
        pass
    assert not (tmp_path / "none.db").exists()


def test_new_trials_are_above_the_highest_number_or_missing(store: Store) -> None:
    for number in (1, 2, 4, 5):  # 3 never began: two workers asked for one number
        begin(store, number)
    for number in (1, 4):
        store.finish(number, Result("failed"), "host")

    def new(highest: int, missing: set[int]) -> dict[int, str]:
        return {row["number"]: row["state"] for row in store.new_trials(highest, missing)}

    assert new(0, set()) == {1: "failed", 2: "running", 4: "failed", 5: "running"}
    assert new(4, {2, 3}) == {2: "running", 5: "running"}
    store.finish(2, Result("failed"), "host")
    store.finish(5, Result("failed"), "host")
    assert new(4, {2, 3}) == {2: "failed", 5: "failed"}
    assert new(5, {3}) == {}


def test_paused_trial_is_new_only_when_its_number_is(store: Store) -> None:
    begin(store, 1)
    Rungs(store.engine).pause(1, Result("paused"))
    assert [row["state"] for row in store.new_trials(0, set())] == ["paused"]
    assert store.new_trials(1, {1}) == []


def test_next_trial_has_the_first_free_number_and_the_trial_with_its_plan(store: Store) -> None:
    begin(store, 1, width=0.125)
    begin(store, 2, width=0.5)
    store.finish(2, Result("infeasible"), "host")
    third = store.begin_next(1, "me", plan(0.25), {}, {"params": {}})
    fourth = store.begin_next(4, "me", plan(0.5), {}, {"params": {}})
    assert third and (third.number, third.same) == (3, None)
    assert fourth and (fourth.number, fourth.same) == (4, 2)
    assert [row["number"] for row in store.running()] == [1, 3, 4]


def test_next_trial_does_not_begin_when_the_search_has_its_trials(store: Store) -> None:
    begin(store, 1, width=0.125)
    begin(store, 2, width=0.25)
    assert store.begin_next(3, "me", plan(0.5), {}, {"params": {}}, most=2) is None
    assert [row["number"] for row in store.running()] == [1, 2]
    variant = store.begin_next(3, "me", plan(0.375), {}, {"params": {}}, variant_of=1)
    begun = store.begin_next(4, "me", plan(0.5), {}, {"params": {}}, most=3)
    assert variant and begun, "format variants do not count"


def test_next_trial_does_not_begin_when_another_worker_was_quicker(store: Store) -> None:
    begin(store, 1, width=0.5)
    assert store.begin_next(2, "me", plan(0.5), {}, {"params": {}}) is None, "it runs this plan"
    assert store.begin_next(1, "me", plan(0.25), {}, {"params": {}}, later=False) is None
    assert [row["number"] for row in store.running()] == [1]
    store.finish(1, Result("failed"), "host")
    retry = store.begin_next(2, "me", plan(0.5), {}, {"params": {}}, later=False)
    assert retry and (retry.number, retry.same) == (2, None), "a failed trial answers no plan"


def test_trial_and_the_front_after_it_are_written_together(store: Store) -> None:
    begin(store, 1)
    done = Result("complete", {"accuracy": 0.5, "size": 1})
    with pytest.raises(sa.exc.IntegrityError):  # a front without a time cannot be written
        store.finish(1, done, "h", lambda _: FrontPoint(1, None, 0.4, (1,)))  # type: ignore[arg-type]
    assert [row["number"] for row in store.running()] == [1]
    for members in ((1,), (0, 1)):  # written twice if another worker takes the trial over
        point = FrontPoint(1, 20.0, 0.4, members)
        store.finish(1, done, "h", lambda _, point=point: point)
    assert [p.members for p in store.record().growth] == [(0, 1)]


def test_front_is_made_with_the_trials_that_ended_at_the_same_moment(store: Store) -> None:
    other = Store(open_engine(str(store.engine.url)))
    begin(store, 1, "me")
    begin(other, 2, "you")
    alone = FrontPoint(1, 10.0, 0.2, (1,))
    assert store.finish(1, Result("complete", {"size": 1}), "h", lambda _: alone, "me")
    states: list[dict[int, str]] = []

    def front(read_new: ReadNew) -> FrontPoint:
        states.append({row["number"]: row["state"] for row in read_new(2, {1})})
        return FrontPoint(2, 20.0, 0.4, (1, 2))

    assert other.finish(2, Result("complete", {"size": 2}), "h", front, "you")
    assert states == [{1: "complete"}]
    assert store.front_members() == (1, 2)
    other.close()


def test_trial_does_not_end_if_its_front_cannot_be_made(store: Store) -> None:
    begin(store, 1, "me")
    with pytest.raises(ZeroDivisionError):
        store.finish(1, Result("complete", {"size": 1}), "h", lambda _: 1 // 0, "me")  # type: ignore[arg-type,return-value]
    assert [row["number"] for row in store.running()] == [1]


def test_trial_of_another_worker_changes_no_front(store: Store) -> None:
    begin(store, 1, "me")
    called: list[ReadNew] = []
    result = Result("complete", {"size": 1})
    assert store.finish(1, result, "h", called.append, "other") is None  # type: ignore[arg-type]
    assert called == []


def test_no_trial_ends_while_the_history_of_the_front_is_replaced(store: Store) -> None:
    begin(store, 1)
    ended: list[float | None] = []
    end = Thread(target=lambda: ended.append(store.finish(1, Result("complete"), "h")))

    def history() -> list[FrontPoint]:
        end.start()
        end.join(0.05)
        assert not ended
        assert store.rows([1])[0]["state"] == "running"
        return [FrontPoint(0, 10.0, 0.2, (0,))]

    VersionWriter(store.engine).replace_front(history)
    end.join()
    assert store.rows([1])[0]["state"] == "complete"
    assert store.front_members() == (0,)
