"""Optuna reads from the mirror what the trials were, and the mirror keeps to its study."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import FloatDistribution

from paretune.search.database.engine import open_engine
from paretune.search.database.mirror import PERIOD, Mirror, MirroredTrial
from paretune.search.errors import UserError

DISTRIBUTIONS = {"width": FloatDistribution(0.0, 1.0)}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True)
    yield engine
    engine.dispose()


def mirror_on(engine: sa.Engine, *directions: str) -> Mirror:
    names = ["error", "latency"][: len(directions)]
    return Mirror(engine, "s", directions, names, DISTRIBUTIONS)


def mirrored(number: int, state: str, *values: float) -> MirroredTrial:
    attributes = {"params": {"width": 0.5}}
    return MirroredTrial(
        number, state, {"width": 0.5}, attributes, {}, values, {"error <= 0.4": 0.1}, 1.0, 2.0
    )


def test_optuna_reads_ended_trials(engine: sa.Engine) -> None:
    mirror = mirror_on(engine, "minimize", "minimize")
    mirror.put(mirrored(0, "complete", 0.5, 2.0))
    mirror.put(mirrored(1, "stopped"))
    mirror.flush()
    study = optuna.load_study(
        study_name="s", storage=optuna.storages.RDBStorage(engine.url.render_as_string())
    )
    first, second = study.trials
    assert (first.values, first.params) == ([0.5, 2.0], {"width": 0.5})
    assert first.user_attrs == {"params": {"width": 0.5}}
    assert second.state == optuna.trial.TrialState.PRUNED


def test_killed_process_leaves_no_table_of_optuna_without_its_indexes(engine: sa.Engine) -> None:
    def kill(_: object, __: object, statement: str, *more: object) -> None:
        if statement.startswith("CREATE UNIQUE INDEX ix_studies"):
            raise SystemExit

    sa.event.listen(engine, "before_cursor_execute", kill)
    with pytest.raises(SystemExit):
        mirror_on(engine, "minimize")
    sa.event.remove(engine, "before_cursor_execute", kill)
    assert "studies" not in sa.inspect(engine).get_table_names()
    mirror_on(engine, "minimize")
    assert_one_study(engine)


def test_index_that_a_killed_process_has_not_made_is_made(engine: sa.Engine) -> None:
    mirror_on(engine, "minimize")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_studies_study_name")
        connection.exec_driver_sql("DROP INDEX ix_paretune_trials_state")
    open_engine(str(engine.url), create=True).dispose()
    mirror_on(engine, "minimize")
    assert_one_study(engine)
    indexes = sa.inspect(engine).get_indexes("paretune_trials")
    assert "ix_paretune_trials_state" in {index["name"] for index in indexes}


def test_table_of_an_older_version_is_left_to_the_check_of_versions(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE paretune_leases")
        connection.exec_driver_sql("CREATE TABLE paretune_leases (name TEXT)")
    open_engine(str(engine.url), create=True).dispose()
    assert sa.inspect(engine).get_indexes("paretune_leases") == []


def assert_one_study(engine: sa.Engine) -> None:
    """Checks that no second study of the same name can be made."""
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT study_name FROM studies").scalars().all()
    assert names == ["s"]
    indexes = sa.inspect(engine).get_indexes("studies")
    assert [index["unique"] for index in indexes] == [1]


def test_trials_are_written_when_one_begins_after_the_period(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = mirror_on(engine, "minimize")
    mirror.put(mirrored(0, "running"))
    assert mirror.outdated({0: "running"}) == [0]
    later = time.monotonic() + PERIOD
    monkeypatch.setattr(time, "monotonic", lambda: later)
    mirror.put(mirrored(0, "complete", 0.5))
    assert mirror.outdated({0: "running"}) == [0]
    mirror.put(mirrored(1, "running"))
    assert mirror.outdated({0: "complete", 1: "running"}) == []


def test_outdated_trials_are_the_missing_ones_and_those_in_another_state(
    engine: sa.Engine,
) -> None:
    mirror = mirror_on(engine, "minimize")
    states = ["running", "running", "infeasible", "stopped", "complete", "failed"]
    for number, state in enumerate(states):
        mirror.put(mirrored(number, state, *([0.5] if state == "complete" else [])))
    mirror.flush()
    assert mirror.outdated({**dict(enumerate(states)), 1: "paused"}) == []
    assert mirror.outdated({0: "complete", 4: "failed", 6: "running"}) == [0, 4, 6]


def test_other_directions_are_refused(engine: sa.Engine) -> None:
    mirror_on(engine, "minimize", "minimize")
    with pytest.raises(UserError, match='it holds another Optuna study named "s"'):
        mirror_on(engine, "minimize", "maximize")
