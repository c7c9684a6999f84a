"""A worker registers when it starts, and unregisters when it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
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
