"""StudyReader only what the front takes: the same table as from all trials."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.database.engine import open_engine
from paretune.search.database.reader import StudyReader, study_reader
from paretune.search.database.rows import engine_rows, sql_list
from paretune.search.database.store import Store
from paretune.search.errors import UserError
from paretune.search.front.final_front import front_chances
from paretune.search.front.growth import FrontTracker
from paretune.search.study.plan import Plan
from paretune.search.study.records import Axis, Result, StudyRecord
from paretune.search.study.stage import Stage
from paretune.search.views.front_table import front_info

AXES = (Axis("error", "fraction", "lower", 1.0), Axis("latency", "ms", "lower", 2.0))


def fill(store: Store, half: float, count: int = 60) -> None:
    """A study whose errors are known to so much on either side."""
    random = np.random.default_rng(3)
    growth = FrontTracker(AXES, None, None)
    store.create_study("s", {"study": "s"}, {}, AXES)
    for number in range(1, count + 1):
        error, latency = (float(v) for v in random.random(2))
        plan = Plan((Stage("evaluate", {"x": number}),))
        store.begin(number, "w", plan, {"x": number}, {"params": {}, "attributes": {}})
        measured = (
            Measurement("error", error, "fraction", "lower", error - half, error + half, 100),
            Measurement("latency", latency, "ms", "lower", latency, latency),
        )
        state: Any = "failed" if number % 7 == 0 else "complete"
        values = {m.name: m.value for m in measured}
        violations = {"error <= 99%": 0.1 if number % 11 == 0 else -0.1}
        result = Result(state, values, violations, measured)
        store.finish(number, result, "host")
        if result.feasible and growth.add(number, values):
            store.add_front(growth.point(number))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    yield f"sqlite:///{tmp_path / 'study.db'}"


def both(url: str, half: float) -> tuple[StudyRecord, StudyRecord]:
    store = Store(open_engine(url, create=True))
    fill(store, half)
    whole = store.record()
    store.close()
    with study_reader(url) as found:
        return found.front_record(), whole


@pytest.mark.parametrize("half", [0.0, 0.05])
def test_front_is_the_same_as_from_all_trials(url: str, half: float) -> None:
    part, whole = both(url, half)
    with study_reader(url) as found:
        info = front_info(part, found.trials)
    assert info == front_info(whole)
    assert bool(info.close) == bool(half)
    assert part.front == whole.front
    assert len(part.front) >= 3
    assert part.growth == whole.growth[-1:]


def test_only_the_front_is_read_where_it_is_certain(url: str) -> None:
    part, whole = both(url, 0.0)
    assert {trial.number for trial in part.trials} == part.members
    assert part.other_intervals is None
    assert len(whole.trials) == 60


def test_others_are_the_feasible_with_their_intervals_and_no_more(url: str) -> None:
    part, whole = both(url, 0.05)
    expected = [t for t in whole.trials if t.feasible and t.number not in part.members]
    assert {trial.number for trial in part.trials} == part.members
    assert part.other_intervals is not None and len(expected) > 20
    found = zip(
        part.other_intervals.numbers,
        part.other_intervals.low,
        part.other_intervals.high,
        strict=True,
    )
    ends = {number: (list(low), list(high)) for number, low, high in found}
    assert ends == {
        t.number: (
            [t.measurements[axis.name].low for axis in AXES],
            [t.measurements[axis.name].high for axis in AXES],
        )
        for t in expected
    }


def test_chances_are_the_same_as_from_all_trials(url: str) -> None:
    part, whole = both(url, 0.05)
    assert front_chances(part) == front_chances(whole)
    assert list(front_chances(part)) == sorted(front_chances(whole))
    assert sum(0.0 < p < 1.0 for p in front_chances(part).values()) > 3


def test_kept_chances_are_taken_until_there_is_another_trial(url: str) -> None:
    part, whole = both(url, 0.05)
    store = Store(open_engine(url))
    chances = {n: p for n, p in front_chances(whole).items() if p >= 0.005 or n in whole.members}
    store.save_chances(chances, whole)
    with study_reader(url) as found:
        kept = found.front_record()
        assert (kept.chances, kept.other_intervals) == (chances, None)
        assert front_info(kept, found.trials) == front_info(part, found.trials)
        assert "chances" not in kept.info
    again = store.begin(90, "w", Plan((Stage("evaluate", {"x": 90}),)), {}, {"params": {}})
    with study_reader(url) as found:
        assert found.front_record().chances == chances, "a trial that runs changes nothing yet"
    assert store.finish(90, Result("failed"), "host") >= again
    store.close()
    with study_reader(url) as found:
        kept = found.front_record()
        assert kept.chances is None and kept.other_intervals is not None


def test_rows_are_the_same_with_and_without_sqlalchemy(url: str) -> None:
    both(url, 0.05)
    engine = open_engine(url)
    with study_reader(url) as plain:
        assert plain.record() == StudyReader(engine_rows(engine)).record()
        assert plain.trial(3) == StudyReader(engine_rows(engine)).trial(3)
        assert plain.trial(99) is None
        one, other = plain.front_record(), StudyReader(engine_rows(engine)).front_record()
    assert replace(one, other_intervals=None) == replace(other, other_intervals=None)
    assert one.other_intervals is not None and other.other_intervals is not None
    assert (one.other_intervals.numbers == other.other_intervals.numbers).all()
    assert (one.other_intervals.low == other.other_intervals.low).all()
    assert (one.other_intervals.high == other.other_intervals.high).all()
    engine.dispose()


def test_front_of_a_finished_study_is_the_same_as_from_all_its_trials(finished: Path) -> None:
    with study_reader(f"sqlite:///{finished.with_suffix('') / 'study.db'}") as found:
        assert front_info(found.front_record(), found.trials) == front_info(found.record())


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    file.write_text("a text that is long enough to be looked at as a database file")
    with (
        pytest.raises(UserError, match="cannot be used as a database"),
        study_reader(f"sqlite:///{file}"),
    ):
        pass
    with (
        pytest.raises(UserError, match="there is no study database"),
        study_reader(f"sqlite:///{tmp_path / 'none.db'}"),
    ):
        pass


def test_database_without_a_study_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    open_engine(url, create=True).dispose()
    with study_reader(url) as found, pytest.raises(UserError, match="no Paretune study in this"):
        found.front_record()


@pytest.mark.parametrize(
    "read", [StudyReader.record, StudyReader.front_record, StudyReader.outline]
)
def test_database_of_others_is_refused(
    tmp_path: Path, read: Callable[[StudyReader], StudyRecord]
) -> None:
    file = tmp_path / "others.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE theirs (a INTEGER)")
    with (
        study_reader(f"sqlite:///{file}") as found,
        pytest.raises(UserError, match="no Paretune study in this"),
    ):
        read(found)


def test_listed_numbers_are_sql() -> None:
    assert sql_list({3, 1}) == "(1, 3)"
