"""The results on each example are stored with a trial and read for the trials that are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import tables
from paretune.search.database.engine import open_engine
from paretune.search.database.reader import StudyReader, study_reader
from paretune.search.database.retargets import Retargets
from paretune.search.database.rows import engine_rows
from paretune.search.database.store import Store
from paretune.search.front.final_front import front_chances, near_front
from paretune.search.front.growth import FrontTracker
from paretune.search.study.plan import Plan
from paretune.search.study.records import Axis, Result, StudyRecord
from paretune.search.study.retarget_records import RetargetedTrial
from paretune.search.study.stage import Stage
from paretune.search.views.front_table import front_info
from support.measurements import latency, paired_accuracy

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
EXAMPLES = 400


def fill(store: Store, count: int) -> None:
    """Fills a store with a baseline and trials that fail on the same hard examples."""
    random = np.random.default_rng(0)
    hard = random.random(EXAMPLES)
    growth = FrontTracker(AXES, {"accuracy": 0.9, "latency": 1.0}, 10)
    store.create_study("s", {"study": "s"}, {}, AXES)
    for number in range(count + 1):
        time = float(np.exp(random.normal(0, 0.5))) if number else 1.0
        skill = 0.12 - 0.05 * np.tanh(np.log(time)) + (abs(random.normal(0, 0.2)) if number else 0)
        correct = hard + random.normal(0, 0.05, EXAMPLES) > skill
        measured = (paired_accuracy(correct, "validation"), latency(time, 1))
        plan = Plan((Stage("evaluate", {"x": number}),))
        store.begin(number, "w", plan, {"x": number}, {"params": {}, "attributes": {}})
        values = {m.name: m.value for m in measured}
        store.finish(number, Result("complete", values, {}, measured), "host")
        if growth.add(number, values):
            store.add_front(growth.point(number))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(open_engine(url, create=True))
    yield store
    store.close()


def paired_numbers(record: StudyRecord) -> set[int]:
    return {t.number for t in record.trials if t.measurements["accuracy"].per_example is not None}


def test_results_are_read_back_unchanged(store: Store, url: str) -> None:
    fill(store, 1)
    test = paired_accuracy(np.arange(EXAMPLES) > 9, "test")
    store.add_test(1, [test, latency(1.0, 1)], "host")
    with study_reader(url) as reader:
        plain = reader.trials([0, 1])
        [base, trial] = reader.with_examples(plain)
    assert all(m.per_example is None for t in plain for m in t.measurements.values())
    assert trial.test["accuracy"].per_example == test.per_example
    assert trial.test["latency"].per_example is None
    assert base.measurements["accuracy"].per_example is not None
    assert base.test == {}


def test_results_of_a_repeated_test_replace_the_earlier_ones(store: Store, url: str) -> None:
    fill(store, 1)
    first, second = (paired_accuracy(np.arange(EXAMPLES) > n, "test") for n in (9, 20))
    store.add_test(1, [first], "host")
    store.add_test(1, [second], "host")
    with study_reader(url) as reader:
        [trial] = reader.with_examples(reader.trials([1]))
    assert trial.test["accuracy"].per_example == second.per_example


def test_measurement_without_results_writes_no_row(store: Store) -> None:
    fill(store, 0)
    store.add_test(0, [replace(paired_accuracy([True] * 9), per_example=None)], "host")
    with store.engine.connect() as connection:
        rows = connection.execute(sa.select(tables.examples)).mappings().all()
    assert [(row["trial"], row["part"], row["name"]) for row in rows] == [
        (0, "validation", "accuracy")
    ]
    assert len(rows[0]["packed"]) == EXAMPLES / 8


def test_front_record_and_whole_record_pair_the_same_trials(store: Store, url: str) -> None:
    fill(store, 80)
    with study_reader(url) as reader:
        part, full = reader.front_record(), reader.record()
    assert paired_numbers(part) == paired_numbers(full)
    assert paired_numbers(full) >= near_front(full) | {0} | full.members
    assert len(paired_numbers(full)) < len(full.trials)
    assert front_chances(part) == front_chances(full)
    assert front_info(part) == front_info(full)
    assert part.other_intervals is not None
    numbers = {trial.number for trial in part.trials}
    assert not numbers & set(part.other_intervals.numbers.tolist())


def test_pairs_change_the_chances(store: Store) -> None:
    fill(store, 80)
    record = store.record()

    def plain(measured: dict[str, Measurement]) -> dict[str, Measurement]:
        return {name: replace(m, per_example=None) for name, m in measured.items()}

    trials = tuple(replace(t, measurements=plain(dict(t.measurements))) for t in record.trials)
    paired, unpaired = front_chances(record), front_chances(replace(record, trials=trials))
    assert max(abs(paired[n] - unpaired[n]) for n in paired) > 0.1
    certain = [sum(p > 0.05 for p in chances.values()) for chances in (paired, unpaired)]
    assert certain[0] < certain[1]


def test_records_are_the_same_with_and_without_sqlalchemy(store: Store, url: str) -> None:
    fill(store, 5)
    with study_reader(url) as reader:
        plain = reader.record()
    other = StudyReader(engine_rows(store.engine)).record()
    assert [t.measurements["accuracy"].per_example for t in plain.trials] == [
        t.measurements["accuracy"].per_example for t in other.trials
    ]


def test_ten_thousand_examples_take_1250_bytes_in_a_trial(store: Store) -> None:
    accuracy = paired_accuracy(np.arange(10_000) > 300, "validation")
    assert accuracy.per_example is not None and len(accuracy.per_example.packed) == 1250


def test_results_in_another_setting_are_kept_apart(store: Store, url: str) -> None:
    fill(store, 1)
    retargets = Retargets(store.engine)
    here, there = (paired_accuracy(np.arange(EXAMPLES) > n, "test") for n in (9, 20))
    store.add_test(1, [here], "host")
    parts = {"validation": {"latency": latency(1.0, 1)}, "test": {"accuracy": there}}
    row = RetargetedTrial(1, "phone", None, "torch", {}, "h", 5.0, "", None, parts)
    retargets.put([row])
    retargets.put([row])  # replaces
    stored = retargets.by_trial("phone")[1].measured
    assert stored["test"]["accuracy"].per_example == there.per_example
    assert stored["validation"]["latency"].per_example is None
    assert retargets.by_trial("other") == {}
    with study_reader(url) as reader:
        [trial] = reader.with_examples(reader.trials([1]))
    assert trial.test["accuracy"].per_example == here.per_example
