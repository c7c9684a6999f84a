"""Workers of this machine live as long as their process, others as long as they are heard."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.search.running import worker as worker_module
from paretune.search.running.liveness import BEAT, SILENCE, Observer, lives
from paretune.search.running.worker import Worker
from support.workers import dead_row, living_row

HOUR = 3600.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Returns the time."""
        return self.now


def far_row(beat: float) -> dict[str, Any]:
    """Returns the row of a worker of another machine with the same name."""
    return {**living_row("far"), "machine": "another machine", "heartbeat": beat}


def living_after(observer: Observer, clock: Clock, beats: list[float]) -> list[bool]:
    """Returns whether the worker lives, at looks that are a heartbeat apart."""
    lived = []
    for beat in beats:
        clock.now += BEAT
        lived.append("far" in observer.living([far_row(beat)]))
    return lived


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_worker_lives_when_the_clock_of_its_host_jumps(jump: float) -> None:
    clock = Clock()
    beats = [1.0, 11.0, *(21.0 + jump + BEAT * index for index in range(30))]
    assert all(living_after(Observer(clock), clock, beats))


def test_worker_is_dead_after_the_silence() -> None:
    clock = Clock()
    looks = round(SILENCE / BEAT)
    lived = living_after(Observer(clock), clock, [7.0] * (looks + 2))
    assert lived == [True] * looks + [False] * 2


def test_silence_counts_only_while_the_database_answers() -> None:
    clock = Clock()
    observer = Observer(clock)
    assert living_after(observer, clock, [7.0, 7.0]) == [True, True]
    clock.now += 10 * SILENCE  # this process stood still, or could not reach the database
    assert living_after(observer, clock, [7.0, 7.0, 8.0]) == [True, True, True]


def test_process_of_this_machine_is_looked_up() -> None:
    assert Observer().living([living_row(), dead_row()]) == {"w"}
    assert not lives(dead_row())


def test_process_of_another_container_with_the_same_host_name_is_not_looked_up() -> None:
    gone_here = {**far_row(time.time()), "pid": dead_row()["pid"]}
    assert lives(gone_here)
    assert Observer().living([gone_here]) == {"far"}


def test_single_look_uses_the_clock_of_the_server_when_there_is_one() -> None:
    assert not lives(far_row(time.time() - HOUR))
    assert lives({**far_row(time.time() - HOUR), "now": time.time() - HOUR + 1})


def test_worker_that_was_taken_for_dead_registers_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "BEAT", 0.01)
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    with Worker(store) as worker:
        store.remove_worker(worker.id)
        end = time.monotonic() + 60
        while not store.workers():
            assert time.monotonic() < end
            time.sleep(0.01)
        assert [row["id"] for row in store.workers()] == [worker.id]
    store.close()
