"""A lease has one holder, and ends when its holder is gone or no longer renews it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from paretune.search.database.leases import LOOKS, LeaseBusy, LeaseLost, Leases


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    yield engine
    engine.dispose()


def elsewhere(engine: sa.Engine, **values: object) -> None:
    """Makes all leases those of another host."""
    with engine.begin() as connection:
        connection.execute(sa.update(tables.leases).values(space="other host", **values))


def looks(leases: Leases, clock: Clock, seconds: float, count: int = LOOKS) -> list[bool]:
    """Returns whether each look took the lease "x", with these seconds between two."""
    taken = []
    for _ in range(count):
        clock.seconds += seconds
        taken.append(leases.take("x") is not None)
    return taken


def test_lease_has_one_holder_and_is_free_after_its_block(engine: sa.Engine) -> None:
    first, second = Leases(engine, "a"), Leases(engine, "b")
    with first.held("x") as lease:
        assert lease.still_held()
        with pytest.raises(LeaseBusy, match="x: worker a on "), second.held("x", wait_s=0):
            pass
        with second.held("y"):
            assert [row["name"] for row in first.rows()] == ["x", "y"]
    assert first.rows() == []


def test_waiting_worker_gets_the_lease_and_hears_of_its_holder_once(engine: sa.Engine) -> None:
    first, second = Leases(engine, "a"), Leases(engine, "b")
    lease = first.take("x")
    assert lease is not None
    waits: list[str] = []

    def release(row: sa.RowMapping) -> None:
        waits.append(row["worker"])
        first.release(lease)

    with second.held("x", waiting=release):
        assert waits == ["a"]


def test_lease_of_many_threads_is_held_by_one_at_a_time(engine: sa.Engine) -> None:
    inside = threading.Lock()

    def work(number: int) -> None:
        with Leases(engine, str(number)).held("x"):
            assert inside.acquire(blocking=False)
            threading.Event().wait(0.002)
            inside.release()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [None] * 8


def test_counter_that_stands_still_ends_a_lease_of_another_host(engine: sa.Engine) -> None:
    clock = Clock()
    other, observer = Leases(engine, "a", lasts=60), Leases(engine, "b", lasts=60, clock=clock)
    lease = other.take("x")
    assert lease is not None
    elsewhere(engine)
    assert looks(observer, clock, 15, LOOKS) == [False] * LOOKS
    assert looks(observer, clock, 15, 1) == [True]
    assert not lease.still_held()
    assert lease.lost
    with pytest.raises(LeaseLost, match="x: another worker took it over"):
        lease.refuse_loss()
    other.release(lease)  # leaves the new holder's lease
    row = observer.holder("x")
    assert row is not None
    assert row["worker"] == "b"


def test_renewed_lease_is_never_over_although_clocks_jump(engine: sa.Engine) -> None:
    clock = Clock()
    other, observer = Leases(engine, "a", lasts=60), Leases(engine, "b", clock=clock)
    lease = other.take("x")
    assert lease is not None
    elsewhere(engine, taken=0.0)
    for hour in (3600, -3600, 3600, 3600, 3600, 3600, 3600):
        assert looks(observer, clock, hour, 1) == [False]
        assert lease.still_held()
    other.release(lease)


def test_one_long_pause_of_the_observer_does_not_end_a_lease(engine: sa.Engine) -> None:
    clock = Clock()
    other, observer = Leases(engine, "a"), Leases(engine, "b", clock=clock)
    lease = other.take("x")
    elsewhere(engine)
    assert looks(observer, clock, 0, 1) + looks(observer, clock, 3600, 2) == [False] * 3
    assert lease is not None
    other.release(lease)


def test_thread_renews_held_leases(engine: sa.Engine) -> None:
    leases = Leases(engine, "a", lasts=0.06)
    moved = threading.Event()
    with leases.held("x"):
        for _ in range(3000):
            row = leases.holder("x")
            assert row is not None
            if row["beats"] >= 2:
                moved.set()
                break
            moved.wait(0.01)
        assert moved.is_set()


def test_lease_of_a_killed_process_of_this_host_is_free_at_once(
    engine: sa.Engine, tmp_path: Path
) -> None:
    code = (
        "import os; from paretune.search.database.engine import open_engine;"
        "from paretune.search.database.leases import Leases;"
        f"Leases(open_engine({str(engine.url)!r}), 'a').take('x'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == -9
    leases = Leases(engine, "b")
    row = leases.holder("x")
    assert row is not None
    assert row["pid"] != os.getpid()
    with leases.held("x", wait_s=0) as lease:
        assert lease.still_held()
