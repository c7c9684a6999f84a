"""A database that is read from a copy stays as it is, also one of a killed run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from paretune.search.database.engine import open_engine
from paretune.search.database.snapshot import untouched_reader
from paretune.search.database.store import Store
from paretune.search.study.records import Axis

KILLED = """\
import os, sys
from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
store = Store(open_engine(sys.argv[1]))
store.update_study(trial_limit=7)
os._exit(9)
"""


def test_reader_sees_the_rest_of_a_killed_run_and_changes_no_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    store = Store(open_engine(url, create=True))
    store.create_study("old", {}, {}, [Axis("size", "bytes", "lower")])
    store.close()
    subprocess.run([sys.executable, "-c", KILLED, url], check=False)
    assert (tmp_path / "study.db-wal").stat().st_size, "the change is only there"

    def state() -> dict[str, tuple[bytes, int]]:
        files = sorted(path for path in tmp_path.iterdir())
        return {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in files}

    before = state()
    with untouched_reader(url) as reader:
        assert reader.study()["trial_limit"] == 7
    assert state() == before
