"""A connection stays valid while this process and others open and close the same database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from paretune.search.database.reader import study_reader
from paretune.search.serving.study_connection import StudyConnection
from support.made_up_study import MadeUpStudy

WRITE = """\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("UPDATE paretune_study SET end_reason = ?", (sys.argv[2],))
connection.commit()
connection.close()
"""


def test_writes_are_seen_after_this_process_has_closed_another_reader(tmp_path: Path) -> None:
    made_up = MadeUpStudy(tmp_path, 2)
    made_up.close()
    connection = StudyConnection(made_up.url)
    assert connection.changed()
    with study_reader(made_up.url) as reader:  # must not drop the connection's locks
        reader.study()
    for text in ("first", "second"):  # the first process would remove the log at its end
        subprocess.run([sys.executable, "-c", WRITE, str(made_up.database), text], check=True)
        assert connection.changed()
        rows = connection.rows.plain("SELECT end_reason FROM paretune_study")
        assert rows == [(text,)]
    assert not connection.changed()
    connection.close()
