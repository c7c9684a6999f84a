"""A growing study is read again: only what changed, and everything that changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.activities import Activities
from paretune.search.database.requests import Requests
from paretune.search.errors import UserError
from paretune.search.interface.reading import read_front
from paretune.search.serving import live_study
from paretune.search.serving.live_study import LiveStudy
from support.made_up_study import CONSTRAINT, GOAL, MadeUpStudy
from support.workers import dead_row, living_row


@pytest.fixture(name="made_up")
def made_up_fixture(tmp_path: Path) -> Iterator[MadeUpStudy]:
    study = MadeUpStudy(tmp_path, 12)
    yield study
    study.close()


@pytest.fixture(name="live")
def live_fixture(made_up: MadeUpStudy) -> Iterator[LiveStudy]:
    study = LiveStudy(made_up.url, {"id": "x", "file": "x.yaml", "epoch": "e"})
    assert study.refresh({"run": None})
    yield study
    study.close()


def refreshed(live: LiveStudy) -> dict[str, Any]:
    """Returns what a refresh changed; empty if nothing."""
    seq = live.seq
    return live.since(seq) if live.refresh({"run": None}) else {}


def test_state_has_all_trials_and_the_front_of_the_command(
    live: LiveStudy, made_up: MadeUpStudy
) -> None:
    state = live.state()
    info, _ = read_front(made_up.url)
    trials = state["trials"]
    assert trials["number"] == list(range(13))
    lengths = {len(column) for column in trials.values() if isinstance(column, list)}
    assert lengths == {13}
    assert [row["trial"] for row in state["front"]["rows"]] == [
        row.trial for row in (*info.rows, *info.close)
    ]
    assert [goal["text"] for goal in state["goals"]] == [GOAL]
    assert state["constraints"][0]["bound"] == pytest.approx(0.85)
    assert (state["status"], state["budget"]["done"], state["baseline"]) == ("idle", 12, 0)
    for number, broken in zip(trials["number"], trials["broken"], strict=True):
        accuracy = trials["values"]["accuracy"][number]
        assert (broken is None) == (number == 0 or accuracy >= 0.85)
        assert broken is None or set(broken) == {CONSTRAINT}


def test_refresh_without_a_change_sends_nothing(live: LiveStudy) -> None:
    assert refreshed(live) == {}


def test_new_trial_is_the_only_row_that_is_sent(live: LiveStudy, made_up: MadeUpStudy) -> None:
    [number] = made_up.add(1)
    change = refreshed(live)
    assert change["trials"]["number"] == [number]
    assert change["counts"] == {"complete": 13}
    assert "axes" not in change


def test_running_trial_is_sent_again_when_it_ends(live: LiveStudy, made_up: MadeUpStudy) -> None:
    [number] = made_up.add(1, "running")
    assert refreshed(live)["trials"]["state"] == ["running"]
    made_up.change(number, state="failed", finished=2e9)
    change = refreshed(live)["trials"]
    assert (change["number"], change["state"]) == ([number], ["failed"])


def test_finished_trial_that_changes_is_seen_at_the_next_look_at_all(
    live: LiveStudy, made_up: MadeUpStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up.change(5, state="infeasible", finished=2e9)
    assert "trials" not in refreshed(live)
    monkeypatch.setattr(live_study, "FULL_EVERY", 0.0)
    made_up.change(6, state="infeasible", finished=2e9)
    assert refreshed(live)["trials"]["number"] == [5, 6]


def test_trial_that_is_measured_for_a_changed_study_is_sent_with_its_values(
    live: LiveStudy, made_up: MadeUpStudy
) -> None:
    """`VersionWriter.complete` fills the values; state and time of the trial's end stay."""
    before = live.state()
    trials, members = before["trials"], before["front"]["members"]
    number = next(n for n in trials["number"] if n and n not in members)
    values = {name: column[number] for name, column in trials["values"].items()}
    made_up.change(number, values={})
    source = {"study": "made-up", "data": "digits", "baseline": {}, "constraints": [], "goals": []}
    made_up.execute(sa.update(tables.studies).values(source=source))
    assert {c[number] for c in refreshed(live)["trials"]["values"].values()} == {None}

    made_up.change(number, values={**values, "accuracy": 0.123})

    change = refreshed(live)["trials"]
    assert (change["number"], change["values"]["accuracy"]) == ([number], [0.123])
    assert refreshed(live) == {}


def test_changed_definition_sends_all_trials_again(live: LiveStudy, made_up: MadeUpStudy) -> None:
    source = {"study": "made-up", "data": "digits", "baseline": {}, "constraints": [], "goals": []}
    made_up.execute(sa.update(tables.studies).values(source=source))
    made_up.execute(sa.update(tables.trials).values(violations={}))
    change = refreshed(live)
    assert len(change["trials"]["number"]) == 13
    assert change["trials"]["broken"] == [None] * 13
    assert change["constraints"] == []


def test_final_measurements_replace_those_of_the_search(
    live: LiveStudy, made_up: MadeUpStudy
) -> None:
    members = live.state()["front"]["members"]
    row = {
        "name": "latency",
        "unit": "ms",
        "better": "lower",
        "low": 1.0,
        "high": 1.5,
        "value": 1.25,
        "count": 9,
        "part": "final",
        "conditions": {"final": {"trials": 2, "after": 12}},
        "host": "h",
        "measured_at": 2e9,
    }
    numbers = {0, *members}
    made_up.execute(sa.insert(tables.measurements), [{**row, "trial": n} for n in numbers])
    made_up.execute(sa.update(tables.studies).values(end_reason="done"))
    live._front_after = 0.0
    change = refreshed(live)
    assert set(change["trials"]["number"]) == numbers
    assert set(change["trials"]["values"]["latency"]) == {1.25}
    assert set(change["trials"]["low"]["latency"]) == {1.0}
    assert change["front"]["final"] == len(numbers)


def test_worker_shows_stage_epoch_and_curve_and_a_dead_one_is_left_out(
    live: LiveStudy, made_up: MadeUpStudy
) -> None:
    made_up.execute(sa.insert(tables.workers), [living_row(), dead_row()])
    activity = {"trial": 3, "stage": "finetune", "epoch": 2, "epochs": 5, "loss": float("inf")}
    curve = [[1, 0.5, None], [2, 0.25, 0.75]]
    row = {**activity, "score": 0.75, "curve": curve, "started": 1.0, "updated": 2.0}
    Activities(made_up.engine).write("w", row)
    change = refreshed(live)
    [worker] = change["workers"]
    assert (worker["stage"], worker["epoch"], worker["loss"]) == ("finetune", 2, None)
    assert worker["curve"] == {"epoch": [1, 2], "loss": [0.5, 0.25], "score": [None, 0.75]}
    assert change["status"] == "running"


@pytest.mark.parametrize(("wanted", "status"), [("pause", "holding"), ("stop", "stopping")])
def test_status_is_what_the_user_asked_of_living_workers(
    live: LiveStudy, made_up: MadeUpStudy, wanted: str, status: str
) -> None:
    Requests(made_up.engine).want(wanted)
    assert refreshed(live) == {"id": "x", "file": "x.yaml", "epoch": "e-1", "seq": live.seq} | {
        "wanted": wanted
    }
    made_up.execute(sa.insert(tables.workers), [living_row()])
    assert refreshed(live)["status"] == status
    assert live.state()["budget"]["seconds_left"] is None


def test_older_database_without_the_newest_tables_is_read(
    live: LiveStudy, made_up: MadeUpStudy
) -> None:
    for table in ("activity", "requests", "versions", "trial_versions"):
        made_up.execute(sa.text(f"DROP TABLE IF EXISTS paretune_{table}"))
    made_up.add(1)
    assert refreshed(live)["trials"]["version"] == [1]


def test_replaced_database_has_another_epoch(
    live: LiveStudy, made_up: MadeUpStudy, tmp_path: Path
) -> None:
    other = MadeUpStudy(tmp_path, 3, name="other", seed=5)
    other.close()
    for end in ("-wal", "-shm"):
        made_up.database.with_name(f"study.db{end}").unlink(missing_ok=True)
    other.database.replace(made_up.database)
    assert live.refresh({"run": None})
    state = live.state()
    assert state["epoch"] == "e-2"
    assert len(state["trials"]["number"]) == 4


def test_database_that_is_gone_is_an_error_and_comes_back(
    live: LiveStudy, made_up: MadeUpStudy, tmp_path: Path
) -> None:
    made_up.database.rename(tmp_path / "away.db")
    with pytest.raises(UserError, match="there is no study database"):
        live.refresh({"run": None})
    (tmp_path / "away.db").rename(made_up.database)
    assert live.refresh({"run": None})


def test_front_rests_after_it_was_computed(live: LiveStudy, made_up: MadeUpStudy) -> None:
    live._front_after = time.monotonic() + 1000
    made_up.add(200)
    change = refreshed(live)
    assert len(change["front"]["members"]) == change["growth"]["members"][-1]
    assert change["front"]["rows"] == live.state()["front"]["rows"]
    assert "chances" not in change
    live._front_after = 0.0
    assert "chances" in refreshed(live)
