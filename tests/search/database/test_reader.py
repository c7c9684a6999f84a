"""The front's record has what the table of the front needs, as the whole record has it."""

from __future__ import annotations

import json
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
from paretune.search.database.reader import StudyReader, shared_stage, study_reader
from paretune.search.database.rows import Rows, engine_rows, sql_list
from paretune.search.database.rungs import Rungs
from paretune.search.database.store import Store
from paretune.search.errors import UserError
from paretune.search.front.final_front import front_chances
from paretune.search.front.growth import FrontTracker
from paretune.search.study.plan import Plan
from paretune.search.study.records import RACING, Axis, Result, StudyRecord
from paretune.search.study.stage import Stage
from paretune.search.views.front_table import front_info

AXES = (Axis("error", "fraction", "lower", 1.0), Axis("latency", "ms", "lower", 2.0))


def fill(store: Store, half: float, count: int = 60) -> None:
    """Fills a store with trials; their errors have intervals of +- `half`."""
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
    """Returns the front's record and the whole record of a new study."""
    store = Store(open_engine(url, create=True))
    fill(store, half)
    full = store.record()
    store.close()
    with study_reader(url) as reader:
        return reader.front_record(), full


@pytest.mark.parametrize("half", [0.0, 0.05])
def test_front_table_is_that_of_the_whole_record(url: str, half: float) -> None:
    part, full = both(url, half)
    with study_reader(url) as reader:
        info = front_info(part, reader.trials)
    assert info == front_info(full)
    assert bool(info.close) == bool(half)
    assert part.front == full.front
    assert len(part.front) >= 3
    assert part.growth == full.growth[-1:]


def test_only_front_trials_are_read_when_all_objectives_are_exact(url: str) -> None:
    part, full = both(url, 0.0)
    assert {trial.number for trial in part.trials} == part.members
    assert part.other_intervals is None
    assert len(full.trials) == 60


def test_other_intervals_belong_to_the_other_feasible_trials(url: str) -> None:
    part, full = both(url, 0.05)
    expected = [t for t in full.trials if t.feasible and t.number not in part.members]
    assert {trial.number for trial in part.trials} == part.members
    assert part.other_intervals is not None and len(expected) > 20
    intervals = zip(
        part.other_intervals.numbers,
        part.other_intervals.low,
        part.other_intervals.high,
        strict=True,
    )
    ends = {number: (list(low), list(high)) for number, low, high in intervals}
    assert ends == {
        t.number: (
            [t.measurements[axis.name].low for axis in AXES],
            [t.measurements[axis.name].high for axis in AXES],
        )
        for t in expected
    }


def test_chances_from_the_front_record_equal_those_from_the_full_record(url: str) -> None:
    part, full = both(url, 0.05)
    assert front_chances(part) == front_chances(full)
    assert list(front_chances(part)) == sorted(front_chances(full))
    assert sum(0.0 < p < 1.0 for p in front_chances(part).values()) > 3


def test_saved_chances_are_read_until_another_trial_ends(url: str) -> None:
    part, full = both(url, 0.05)
    store = Store(open_engine(url))
    chances = {n: p for n, p in front_chances(full).items() if p >= 0.005 or n in full.members}
    store.save_chances(chances, full)
    with study_reader(url) as reader:
        record = reader.front_record()
        assert (record.chances, record.other_intervals) == (chances, None)
        assert front_info(record, reader.trials) == front_info(part, reader.trials)
        assert "chances" not in record.info
    begun = store.begin(90, "w", Plan((Stage("evaluate", {"x": 90}),)), {}, {"params": {}})
    with study_reader(url) as reader:
        assert reader.front_record().chances == chances, "a running trial changes nothing"
    assert store.finish(90, Result("failed"), "host") >= begun
    store.close()
    with study_reader(url) as reader:
        record = reader.front_record()
        assert record.chances is None and record.other_intervals is not None


def test_paused_trials_count_as_stopped_until_they_are_resumed(url: str) -> None:
    store = Store(open_engine(url, create=True))
    fill(store, 0.0, count=2)
    rungs = Rungs(store.engine)
    reason = {"stage": "evaluate", "type": RACING, "text": "not among the best"}
    for number in (3, 4):
        store.begin(number, "w", Plan((Stage("evaluate", {"x": number}),)), {}, {"params": {}})
        rungs.pause(number, Result("paused", {"error": 0.5}, reason=reason))

    def counted() -> tuple[int, int]:
        with study_reader(url) as reader:
            return reader.front_record().stopped, reader.record().stopped

    assert counted() == (2, 2)
    assert rungs.resume(3, None, "w")
    assert counted() == (1, 1)
    assert rungs.stop(4) is not None
    assert counted() == (1, 1)
    store.close()


def test_records_are_the_same_with_and_without_sqlalchemy(url: str) -> None:
    both(url, 0.05)
    engine = open_engine(url)
    with study_reader(url) as plain:
        assert plain.record() == StudyReader(engine_rows(engine)).record()
        assert plain.trial(3) == StudyReader(engine_rows(engine)).trial(3)
        assert plain.trial(99) is None
        without_sqlalchemy, with_sqlalchemy = (
            plain.front_record(),
            StudyReader(engine_rows(engine)).front_record(),
        )
    assert replace(without_sqlalchemy, other_intervals=None) == replace(
        with_sqlalchemy, other_intervals=None
    )
    assert (
        without_sqlalchemy.other_intervals is not None
        and with_sqlalchemy.other_intervals is not None
    )
    assert (
        without_sqlalchemy.other_intervals.numbers == with_sqlalchemy.other_intervals.numbers
    ).all()
    assert (without_sqlalchemy.other_intervals.low == with_sqlalchemy.other_intervals.low).all()
    assert (without_sqlalchemy.other_intervals.high == with_sqlalchemy.other_intervals.high).all()
    engine.dispose()


def test_front_table_of_a_finished_study_is_that_of_its_whole_record(finished: Path) -> None:
    with study_reader(f"sqlite:///{finished.with_suffix('') / 'study.db'}") as reader:
        assert front_info(reader.front_record(), reader.trials) == front_info(reader.record())


def test_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    file.write_text("a text that is long enough to be read as the head of a database file")
    with (
        pytest.raises(UserError, match="its content is not that of a SQLite database"),
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
    with study_reader(url) as reader, pytest.raises(UserError, match="no Paretune study in this"):
        reader.front_record()


@pytest.mark.parametrize(
    "read", [StudyReader.record, StudyReader.front_record, StudyReader.outline]
)
def test_database_of_another_program_is_refused(
    tmp_path: Path, read: Callable[[StudyReader], StudyRecord]
) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE other (a INTEGER)")
    with (
        study_reader(f"sqlite:///{file}") as reader,
        pytest.raises(UserError, match="no Paretune study in this"),
    ):
        read(reader)


def test_sql_list_is_sorted_and_in_brackets() -> None:
    assert sql_list({3, 1}) == "(1, 3)"


def test_equal_stages_are_shared_and_others_stay_apart() -> None:
    recipe: dict[str, Any] = {"epochs": 1, "optimizer": {"adam": {"lr": 0.1}}}
    stages: dict[str, Any] = {}
    texts = [
        {"kind": "finetune", "params": {"recipe": recipe, "seed": value}}
        for value in (1, 1, True, 1.0)
    ]
    plain = [json.loads(json.dumps(stage)) for stage in texts]
    first, second, boolean, real = (shared_stage(stage, stages) for stage in plain)
    assert second is first
    assert [stage["params"]["seed"] for stage in (first, boolean, real)] == [1, True, 1.0]
    assert [type(s["params"]["seed"]) for s in (first, boolean, real)] == [int, bool, float]
    assert boolean["params"]["recipe"] is first["params"]["recipe"]
    assert shared_stage({"kind": "evaluate"}, stages) == {"kind": "evaluate"}


def test_parts_of_recipes_that_differ_are_shared() -> None:
    stages: dict[str, Any] = {}
    first, second = (
        shared_stage(
            {"kind": "finetune", "params": {"recipe": {"lr": lr, "stop": {"n": 0}}}}, stages
        )
        for lr in (0.1, 0.2)
    )
    recipes = [stage["params"]["recipe"] for stage in (first, second)]
    assert recipes == [{"lr": 0.1, "stop": {"n": 0}}, {"lr": 0.2, "stop": {"n": 0}}]
    assert recipes[0]["stop"] is recipes[1]["stop"]


def test_trials_that_several_statements_read_are_all_there_in_order(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(url, 0.1)
    with study_reader(url) as reader:
        together = reader.trials()
        monkeypatch.setattr("paretune.search.database.reader.READ_TOGETHER", 1)
        assert reader.trials() == together
        assert [trial.number for trial in together] == reader.numbers()


def test_trials_share_conditions_of_equal_text(url: str) -> None:
    both(url, 0.1)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("update paretune_measurements set conditions = '{\"batch\": 1}'")
    with study_reader(url) as reader:
        first, second, *_ = reader.trials()
    assert first.measurements["error"].conditions == {"batch": 1}
    assert first.measurements["error"].conditions is second.measurements["error"].conditions
    assert first.measurements["error"].value != second.measurements["error"].value


def test_trial_that_ends_while_it_is_read_is_complete_with_all_measurements(url: str) -> None:
    """Each statement sees what other workers wrote before it; none may see half of a trial."""
    engine = open_engine(url, create=True)
    store = Store(engine)
    fill(store, 0.01, count=3)
    plan = Plan((Stage("evaluate", {"x": 4}),))
    store.begin(4, "w", plan, {"x": 4}, {"params": {}, "attributes": {}})
    measured = (
        Measurement("error", 0.1, "fraction", "lower", 0.09, 0.11, 100),
        Measurement("latency", 0.2, "ms", "lower", 0.2, 0.2),
    )
    result = Result("complete", {m.name: m.value for m in measured}, {}, measured)
    statements: list[str] = []
    rows = engine_rows(engine)

    def read(statement: str) -> Any:
        answer = rows._read(statement)
        if not statements:
            store.finish(4, result, "host")
        statements.append(statement)
        return answer

    [trial] = StudyReader(Rows(read)).trials([4])
    engine.dispose()
    assert len(statements) == 3  # trials, measurements, further trainings
    assert trial.state == "running" or set(trial.measurements) == {"error", "latency"}
