"""The rounds of an optimization in the database, also in one that an earlier version made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from paretune.search.database.engine import open_engine
from paretune.search.database.reader import study_reader
from paretune.search.database.rounds import Rounds
from paretune.search.database.store import Store
from paretune.search.study.records import Axis


def study_in(folder: Path) -> str:
    """Makes a study without trials; returns its URL."""
    url = f"sqlite:///{folder / 'study.db'}"
    engine = open_engine(url, create=True)
    Store(engine).create_study("s", {"study": "s"}, {}, [Axis("error", "fraction", "lower")])
    engine.dispose()
    return url


def test_rounds_are_read_in_order_and_replaced_by_number(tmp_path: Path) -> None:
    url = study_in(tmp_path)
    rounds = Rounds(open_engine(url))
    rounds.write(1, {"number": 1, "sentences": ["draft"]})
    rounds.write(0, {"number": 0, "sentences": ["a", "b"]})
    rounds.write(1, {"number": 1, "sentences": ["c", "d"]})
    expected = [{"number": 0, "sentences": ["a", "b"]}, {"number": 1, "sentences": ["c", "d"]}]
    assert rounds.read() == expected
    with study_reader(url) as reader:
        assert list(reader.rounds()) == expected
        assert list(reader.record().rounds) == expected


def test_rounds_are_empty_when_the_database_has_no_such_table(tmp_path: Path) -> None:
    url = study_in(tmp_path)
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("DROP TABLE paretune_rounds")
    with study_reader(url) as reader:
        assert reader.rounds() == ()
        assert reader.record().rounds == ()
