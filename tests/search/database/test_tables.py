"""The lists of columns agree: tables, JSON columns, fields of records, and what is written."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import sqlalchemy as sa

from paretune.objectives.base import Measurement
from paretune.search.database import structures, tables
from paretune.search.database.engine import open_engine
from paretune.search.database.reader import PARTS, TRIAL_COLUMNS
from paretune.search.database.rows import JSON_COLUMNS
from paretune.search.database.store import Store
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result, TrialRecord
from paretune.search.study.stage import Stage

NOT_IN_RECORD = {"worker", "plan_key", "proposal"}
"""Columns of a trial that only workers read."""

MEASURED = Measurement("error", 0.5, "fraction", "lower", 0.4, 0.6, 9, {"part": "validation"})

RESULT = Result(
    "stopped",
    values={"error": 0.5},
    violations={"error <= 0.4": 0.1},
    measured=(MEASURED,),
    reason={"stage": "finetune", "type": "Racing", "text": "not among the best"},
    artifact={"path": "a.onnx"},
    seconds={"pretrain": 0.0, "finetune": 2.0},
    cached=("pretrain",),
    artifacts={"phone": {"path": "a.onnx"}},
    repeat_of=1,
)
"""A result with a value in each field."""


def finished(store: Store) -> None:
    """Writes a trial with a value in each column."""
    plan = Plan((Stage("finetune", {"x": 1}),))
    store.begin_next(2, "w", plan, {"x": 1}, {"params": {"x": 1}}, variant_of=1)
    store.finish(2, RESULT, "host")


def test_json_columns_match_the_tables() -> None:
    columns = [
        column
        for table in tables.metadata.tables.values()
        if table is not tables.retargets  # read through SQLAlchemy only
        for column in table.columns
    ]
    json = {column.name for column in columns if isinstance(column.type, sa.JSON)}
    text = {column.name for column in columns if isinstance(column.type, sa.Text)}
    assert json == JSON_COLUMNS
    assert not text & JSON_COLUMNS


def test_trial_columns_match_the_record() -> None:
    assert set(TRIAL_COLUMNS) == set(tables.trials.columns.keys()) - NOT_IN_RECORD
    rest = {field.name for field in fields(TrialRecord)} - set(TRIAL_COLUMNS)
    assert rest == {*PARTS.values(), "searched", "seeds", "single"}


def test_finished_trial_has_every_column(tmp_path: Path) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    finished(store)
    [row] = store.rows([2])
    assert [name for name, value in row.items() if value is None] == []
    store.close()


def test_record_has_every_field_of_the_result(tmp_path: Path) -> None:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    finished(store)
    trial = store.trial(2)
    store.close()
    names = {field.name for field in fields(Result)} - {"measured", "duration"}
    assert trial is not None
    assert names <= set(TRIAL_COLUMNS)
    assert {name: getattr(trial, name) for name in names} == {
        name: getattr(RESULT, name) for name in names
    }
    assert trial.measurements == {"error": MEASURED}


def test_measurement_columns_match_the_class_measurement() -> None:
    measurement = {field.name for field in fields(Measurement)}
    assert measurement - {"per_example"} <= set(tables.measurements.columns.keys())
    assert measurement - {"conditions", "per_example"} == set(structures.COLUMNS)
    assert set(structures.COLUMNS) <= set(tables.structures.columns.keys())
