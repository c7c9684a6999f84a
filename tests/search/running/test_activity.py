"""A worker's activity: what it does now, in the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.calm import Wait
from paretune.search.database.activities import Activities
from paretune.search.database.engine import open_engine
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import engine_rows
from paretune.search.database.worker_rows import activity_rows
from paretune.search.running import activity
from paretune.search.running.activity import LONGEST_CURVE, Activity
from paretune.search.trial.events import (
    CalmAwaited,
    DeviceAwaited,
    EpochDone,
    Event,
    StageStarted,
    StepDone,
    TrialStarted,
)


@pytest.fixture(name="activities")
def activities_fixture(tmp_path: Path) -> Iterator[Activities]:
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    yield Activities(engine)
    engine.dispose()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "EVERY", 0.005)


def stored(activities: Activities, epoch: int | None) -> dict[str, Any]:
    """Waits until the row of worker "w" has this epoch."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        row = activity_rows(engine_rows(activities.engine)).get("w")
        if row is not None and row["epoch"] == epoch and row["stage"]:
            return row
        time.sleep(0.005)
    raise AssertionError("the activity was not written")


def test_epoch_is_written_with_its_curve_and_removed_at_the_end(activities: Activities) -> None:
    seen: list[Event] = []
    events = [
        TrialStarted(3, {}, ["pretrain"]),
        StageStarted(3, "pretrain"),
        EpochDone(3, "pretrain", 1, 5, 0.9, None, 1.0),
        EpochDone(3, "pretrain", 2, 5, 0.5, 0.75, 1.0),
    ]
    with Activity(activities, "w", seen.append) as reporter:
        for event in events:
            reporter(event)
        row = stored(activities, 2)
    assert seen == events
    assert (row["trial"], row["stage"], row["epochs"]) == (3, "pretrain", 5)
    assert (row["loss"], row["score"]) == (0.5, 0.75)
    assert row["curve"] == [[1, 0.9, None], [2, 0.5, 0.75]]
    assert activity_rows(engine_rows(activities.engine)) == {}


def test_new_stage_begins_a_new_curve(activities: Activities) -> None:
    with Activity(activities, "w", lambda event: None) as reporter:
        reporter(EpochDone(3, "pretrain", 1, 1, 0.9, None, 1.0))
        reporter(StageStarted(3, "finetune"))
        row = stored(activities, None)
    assert (row["stage"], row["curve"], row["loss"]) == ("finetune", [], None)


def test_wait_for_a_device_or_for_calm_is_shown_in_place_of_the_stage(
    activities: Activities,
) -> None:
    def stage(text: str) -> None:
        end = time.monotonic() + 120
        while stored(activities, None)["stage"] != text:
            assert time.monotonic() < end
            time.sleep(0.005)

    with Activity(activities, "w", lambda event: None) as reporter:
        reporter(TrialStarted(3, {}, ["measure"]))
        reporter(StageStarted(3, "measure"))
        reporter(DeviceAwaited("waits for ssh://pi@cam, which is in use"))
        stage("waits for ssh://pi@cam, which is in use")
        reporter(DeviceAwaited("waits for ssh://pi@cam, which is lost"))
        stage("waits for ssh://pi@cam, which is lost")
        reporter(DeviceAwaited(None))
        stage("measure")
        for left in (60.0, 59.0):
            reporter(CalmAwaited(Wait("waits until others pause", left)))
        stage("waits until others pause")
        reporter(CalmAwaited(None))
        stage("measure")


def test_step_of_a_trainer_gives_loss_and_first_other_value(activities: Activities) -> None:
    with Activity(activities, "w", lambda event: None) as reporter:
        reporter(StepDone(4, "evaluate", 7, {"loss": 0.3, "error": 0.2}, 1.0))
        row = stored(activities, 7)
    assert (row["loss"], row["score"], row["epochs"]) == (0.3, 0.2, None)


def test_long_curve_keeps_its_ends_and_its_bound(activities: Activities) -> None:
    count = 5 * LONGEST_CURVE + 1
    with Activity(activities, "w", lambda event: None) as reporter:
        for epoch in range(1, count + 1):
            reporter(EpochDone(1, "pretrain", epoch, count, 1 / epoch, None, 1.0))
        curve = stored(activities, count)["curve"]
    assert LONGEST_CURVE // 2 <= len(curve) <= LONGEST_CURVE
    assert (curve[0][0], curve[-1][0]) == (1, count)
    assert [point[0] for point in curve] == sorted(point[0] for point in curve)


def test_database_that_fails_does_not_disturb_the_run(activities: Activities) -> None:
    calls = []

    class Away(Activities):
        def write(self, worker: str, row: object) -> None:
            calls.append(worker)
            raise OSError("away")

    with Activity(Away(activities.engine), "w", lambda event: None) as reporter:
        reporter(StageStarted(3, "pretrain"))
        while not calls:
            time.sleep(0.005)
        reporter(StageStarted(3, "finetune"))


def test_database_without_the_tables_shows_no_activity(activities: Activities) -> None:
    with activities.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE paretune_activity")
        connection.exec_driver_sql("DROP TABLE paretune_requests")
    reader = StudyReader(engine_rows(activities.engine))
    assert (reader.workers(), reader.wanted()) == ([], "run")
