"""The final session measures front and baseline again; a killed one is repeated."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.objectives.accuracy import Accuracy
from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.search.database.reader import study_reader
from paretune.search.front.final_front import trials_to_remeasure, with_final_front
from paretune.search.front.pareto import non_dominated
from paretune.search.measuring.gauge import Gauge
from paretune.search.running.final_session import LONGEST, SHARE, SHORTEST, session_seconds
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from support.studies import record_of

NOTICE = "are measured again in one session"


def database(file: Path) -> Path:
    return file.with_suffix("") / "study.db"


def forget(file: Path, part: str = "final") -> None:
    """Deletes a part's measurements, as if the run had ended before it measured them."""
    with sqlite3.connect(database(file)) as connection:
        connection.execute("delete from paretune_measurements where part = ?", (part,))
    connection.close()


def sessions(record: StudyRecord) -> set[str]:
    return {t.final["latency"].conditions["session"]["id"] for t in record.trials if t.final}


def test_front_and_baseline_are_measured_again_in_one_session(
    finished: Path, first_run: Any
) -> None:
    record = record_of(finished)
    again = {t.number for t in record.trials if t.final}
    assert again == set(trials_to_remeasure(record)) >= {0, *record.members}
    assert len(sessions(record)) == 1
    assert f"front and baseline, {len(again)} networks, {NOTICE}" in first_run.out
    for number in again:
        measured = record.trials[number].final["latency"]
        assert measured.unit == "ms" and measured.low < measured.value < measured.high
        assert measured.conditions["final"] == {
            **measured.conditions["final"],
            "trials": len(again),
            "after": 6,
        }
        assert measured.value != record.trials[number].measurements["latency"].value


def test_trials_of_the_final_session_have_the_test_part(finished: Path) -> None:
    record = record_of(finished)
    assert {t.number for t in record.trials if t.test} == set(trials_to_remeasure(record))


@pytest.mark.slow
def test_run_killed_in_the_final_session_repeats_it_and_loses_nothing(
    finished: Path, start: Callable[..., Any], cli: Any
) -> None:
    forget(finished)
    before = record_of(finished)
    running = start("run", finished)
    running.wait_for(NOTICE)
    assert running.ended(signal.SIGKILL) == -signal.SIGKILL
    assert record_of(finished).trials == before.trials
    output = cli("run", finished)
    assert output.code == 0, output.err
    after = record_of(finished)
    assert {t.number for t in after.trials if t.final} == set(trials_to_remeasure(before))
    assert tuple(replace(t, final={}) for t in after.trials) == before.trials


def test_session_is_not_repeated_without_a_new_trial(finished: Path, cli: Any) -> None:
    before = sessions(record_of(finished))
    output = cli("run", finished)
    assert NOTICE not in output.out
    assert sessions(record_of(finished)) == before


@pytest.mark.slow
def test_session_is_repeated_after_new_trials(finished: Path, cli: Any) -> None:
    before = sessions(record_of(finished))
    output = cli("run", finished, "--trials", 7)
    assert NOTICE in output.out, output.err
    record = record_of(finished)
    assert len(sessions(record)) == 1
    assert not sessions(record) & before
    assert {t.number for t in record.trials if t.final} >= record.members


def test_front_probabilities_of_a_large_study_are_stored(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cli("front", finished, "--json").out
    monkeypatch.setattr("paretune.search.running.final_session.MANY_TRIALS", 5)
    assert cli("run", finished).code == 0
    with study_reader(f"sqlite:///{database(finished)}") as reader:
        assert reader.front_record().chances
    assert cli("front", finished, "--json").out == before


def test_final_off_keeps_the_numbers_of_the_search(finished: Path, cli: Any) -> None:
    forget(finished)
    output = cli("run", finished, "--set", "budget.final=off")
    assert output.code == 0, output.err
    assert NOTICE not in output.out and "Times are final" not in output.out
    assert not any(t.final for t in record_of(finished).trials)


def test_missing_file_is_reported_and_the_search_numbers_stay(finished: Path, cli: Any) -> None:
    forget(finished)
    record = record_of(finished)
    member = max(record.members)
    artifact = record.trials[member].artifact
    assert artifact is not None
    (finished.with_suffix("") / artifact["path"]).unlink()
    output = cli("run", finished)
    assert output.code == 0, output.err
    assert f"the front is not measured again: {finished.with_suffix('')}" in output.out
    assert "this file is gone" in output.out
    assert not any(t.final for t in record_of(finished).trials)


def break_on_test(monkeypatch: pytest.MonkeyPatch, *trials: int) -> None:
    """Makes the outputs of these trials' files not finite on the test part."""
    measure = Accuracy.measure
    broken = {f"trial-{number:05d}" for number in trials}

    def overflow(subject: Subject, params: Any, part: str) -> Any:
        if part == "test" and subject.artifact.path.stem in broken:
            raise Unmeasurable("the outputs are not finite for 3 of 450 test examples")
        return measure(subject, params, part)

    monkeypatch.setattr(Accuracy, "measure", staticmethod(overflow))


@pytest.mark.slow
def test_trial_with_test_outputs_that_are_not_finite_leaves_the_front(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(finished)
    forget(finished, "test")
    before = record_of(finished)
    number = max(before.members)
    break_on_test(monkeypatch, number)
    output = cli("run", finished)

    assert output.code == 0, output.err
    text = "the outputs are not finite for 3 of 450 test examples"
    assert f"trial {number} is infeasible: {text}" in output.out
    after = record_of(finished)
    trial = after.trials[number]
    assert (trial.state, trial.reason) == (
        "infeasible",
        {"stage": "test", "type": "Unmeasurable", "text": text},
    )
    repeats = [t for t in after.trials if t.repeat_of == number]
    assert all(t.state == "infeasible" for t in repeats)
    feasible = {t.number: t for t in after.trials if t.feasible and t.repeat_of is None}
    losses = np.array(
        [[-t.values["accuracy"], *list(t.values.values())[1:]] for t in feasible.values()]
    )
    on_front = non_dominated(losses)
    assert after.members == {n for n, on in zip(feasible, on_front, strict=True) if on}
    assert number not in after.members
    assert {t.number for t in after.trials if t.test} >= after.members
    assert text in cli("show", finished, number).out
    again = cli("run", finished)
    assert again.code == 0 and "is infeasible" not in again.out


def test_baseline_with_test_outputs_that_are_not_finite_is_an_error(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(finished, "test")
    break_on_test(monkeypatch, 0)
    output = cli("run", finished)
    assert output.code == 2
    assert "the baseline fails on the test part: the outputs are not finite for 3" in output.err


def test_commands_show_the_final_numbers_and_json_both(finished: Path, cli: Any) -> None:
    record = with_final_front(record_of(finished))
    rows = json.loads(cli("front", finished, "--json").out)["rows"]
    assert {row["trial"] for row in rows} == {0, *record.members}
    for row in rows:
        trial = record.trials[row["trial"]]
        assert row["validation"]["latency"]["value"] == trial.final["latency"].value
        assert row["searched"]["latency"]["value"] == trial.searched["latency"].value
        assert 0 <= row["chance"] <= 1
    shown = json.loads(cli("show", finished, max(record.members), "--json").out)
    assert shown["final"]["latency"]["value"] != shown["measurements"]["latency"]["value"]
    assert "final session" in cli("show", finished, max(record.members)).out
    assert "Times are final" in cli("front", finished).out
    front = json.loads(cli("status", finished, "--json").out)["front"]
    assert front == sorted(record.members)


def test_membership_changes_by_the_final_numbers(finished: Path, cli: Any) -> None:
    record = with_final_front(record_of(finished))
    slow = max(record.members - {0})
    with sqlite3.connect(database(finished)) as connection:
        connection.execute(
            "update paretune_measurements set value = 99, low = 98, high = 100 "
            "where part = 'final' and name = 'latency' and trial = ?",
            (slow,),
        )
        connection.execute(
            "update paretune_measurements set value = 0.001, low = 0.0009, high = 0.0011 "
            "where part = 'final' and name = 'latency' and trial = 0"
        )
    connection.close()
    rows = json.loads(cli("front", finished, "--json").out)["rows"]
    [base] = [row for row in rows if row["trial"] == 0]
    assert base["on_front"]
    on_front = {row["trial"] for row in rows if row["on_front"]}
    values = {t: record.trials[t].values for t in on_front | {slow}}
    dominated = any(
        values[t]["accuracy"] >= values[slow]["accuracy"]
        and values[t]["size"] <= values[slow]["size"]
        for t in on_front - {slow}
    )
    assert (slow in on_front) != dominated, "its latency is the worst now"


def test_export_hands_out_the_final_numbers(finished: Path, cli: Any, tmp_path: Path) -> None:
    record = with_final_front(record_of(finished))
    number = max(record.members)
    output = cli("export", finished, "--pick", number, "-o", tmp_path / "out")
    assert output.code == 0, output.err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    latency = manifest["measurements"]["validation"]["latency"]
    assert latency["value"] == record.trials[number].final["latency"].value


@pytest.mark.parametrize(("seconds", "expected"), [(60.0, ["throughput", "latency"]), (0.0, [])])
def test_every_timing_is_repeated_while_time_is_left(
    finished: Path, seconds: float, expected: list[str]
) -> None:
    study = StageStudy(load_study(finished))
    try:
        quantities = (("size", {}), ("throughput", {"seconds": 0.1}), ("latency", {"seconds": 0.1}))
        [target] = study.workbench.targets
        targets = (replace(target, gauge=Gauge(quantities)),)
        study.workbench = replace(study.workbench, targets=targets)
        timings = study.time_again(list(study.store.record().trials[:2]), seconds)
    finally:
        study.close()
    assert [[m.name for m in timings[n]] for n in (0, 1)] == [expected] * 2


@pytest.mark.parametrize(
    ("options", "spent", "expected"),
    [
        (None, 0.0, SHORTEST),
        (None, 600.0, SHARE * 600),
        (None, 1e6, LONGEST),
        (0.0, 600.0, 0.0),
        (7.0, 600.0, 7.0),
    ],
)
def test_session_takes_a_share_of_the_run_by_default(
    make_record: Any, options: float | None, spent: float, expected: float
) -> None:
    record = make_record(1)
    first = replace(record.trials[0], started=0.0, finished=spent)
    assert session_seconds(options, replace(record, trials=(first,))) == expected
