"""A worker registers when it starts, and unregisters when it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.search.database.trials import LEFT
from paretune.search.running import worker as workers
from paretune.search.running.worker import Worker


@pytest.mark.parametrize("moment", ["join", "remove"])
def test_worker_interrupted_while_it_unregisters_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    worker = Worker(store)
    remove, calls = store.remove_worker, []

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def removed(name: str) -> None:
        calls.append(name)
        if moment == "remove" and len(calls) == 1:
            raise KeyboardInterrupt
        remove(name)

    if moment == "join":
        monkeypatch.setattr(worker._thread, "join", interrupted)
    monkeypatch.setattr(store, "remove_worker", removed)
    with pytest.raises(KeyboardInterrupt), worker:
        assert [row["id"] for row in store.workers()] == [worker.id]
    assert store.workers() == []
    store.close()


def test_look_at_the_workers_counts_for_a_moment_if_all_lived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LOOK_EVERY", 3600.0)
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    read, looks = store.workers, []
    with Worker(store) as first, Worker(store) as second:
        monkeypatch.setattr(store, "workers", lambda: looks.append(1) or read())
        assert second.living_among([first.id, None, LEFT]) == {first.id}
        assert second.living_among([first.id, second.id]) == {first.id, second.id}
        assert len(looks) == 1
        with Worker(store) as third:  # it began after the last look, and is not dead
            assert second.living_among([first.id, third.id]) == {first.id, third.id}
        assert len(looks) == 2
        assert second.living_among(["dead"]) == set()
        monkeypatch.setattr(workers, "LOOK_EVERY", 0.0)
        assert second.living_among([third.id]) == set(), "it has ended since"
    store.close()
