"""The progress of a study in a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paretune.search.study.records import Counts, StudyRecord
from paretune.search.views.status import status_info

MakeRecord = Callable[..., StudyRecord]


def counts(broken: int = 0, **states: int) -> Counts:
    return Counts(
        states=states,
        broken=broken,
        repeats=2,
        variants=3,
        stopped=states.get("stopped", 0),
        stage_seconds=90.0,
        saved_seconds=600.0,
        cache_bytes=2_000_000,
        cache_stages=7,
        dropped=0,
    )


def test_status_counts_trials_that_have_ended(make_record: MakeRecord) -> None:
    info = status_info(make_record(40), counts(complete=5, failed=1, running=1))
    assert info.done == 6
    lines = info.text().splitlines()
    assert lines[0] == (
        "made-up: 6 of 40 trials done (5 complete, 1 failed, 1 interrupted, 2 repeated), "
        "and 3 format variants"
    )
    assert lines[1].startswith(f"front: {len(info.front)} trials, hypervolume 0.")
    assert lines[2] == "training: 90 s spent, 10 min saved by the stage cache"
    assert lines[3] == "stage cache: 2.00 MB in 7 files"


def test_status_calls_a_trial_running_only_while_a_worker_lives(make_record: MakeRecord) -> None:
    worker = {"id": "w", "host": "box", "pid": 1, "activity": None}
    assert "1 running" in status_info(make_record(40), counts(running=1), [worker]).text()
    assert "1 interrupted" in status_info(make_record(40), counts(running=1)).text()


def test_status_has_a_line_on_racing_when_trials_are_paused(make_record: MakeRecord) -> None:
    text = status_info(make_record(40), counts(complete=5, stopped=4, paused=2)).text()
    assert "racing: 5 trained to the end, 4 stopped early, 2 paused" in text
    assert "racing" not in status_info(make_record(40), counts(complete=5)).text()


def test_status_says_how_many_complete_trials_break_a_constraint(make_record: MakeRecord) -> None:
    record = make_record(40)
    text = status_info(record, counts(broken=2, complete=5, failed=1)).text()
    assert "(5 complete (2 break a constraint), 1 failed, " in text
    text = status_info(record, counts(broken=1, complete=5)).text()
    assert "(5 complete (1 breaks a constraint), " in text


def test_status_says_why_there_is_no_test_part(make_record: MakeRecord) -> None:
    record = make_record(40)
    without = replace(record, info={"data": {"no_test": "There is no test part, because ..."}})
    info = status_info(without, counts(complete=5))
    assert info.text().splitlines()[-1] == info.no_test == "There is no test part, because ..."
    assert status_info(record, counts(complete=5)).no_test is None


def test_status_counts_a_single_format_variant_in_the_singular(make_record: MakeRecord) -> None:
    info = replace(status_info(make_record(40), counts(complete=5)), variants=1)
    assert "and 1 format variant\n" in info.text() + "\n"


def test_status_of_a_finite_space_asks_for_no_more_trials(make_record: MakeRecord) -> None:
    record = make_record(40)
    finite = replace(record, info={"plans": 7, "end_reason": "all 7 plans are done"})
    info = status_info(finite, counts(complete=6))
    assert info.text().startswith("made-up: 6 trials done (6 complete, 2 repeated)")
    assert "last run: all 7 plans are done" in info.text()
    assert (info.plans, info.trial_limit) == (7, 40)
    large = replace(record, info={"plans": 700})
    assert status_info(large, counts(complete=6)).text().startswith("made-up: 6 of 40 trials")
