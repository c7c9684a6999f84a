"""What people see of trainings with other seeds: tables, status, one trial, and the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.front.final_front import with_final_front
from paretune.search.interface.front import StudyFront
from paretune.search.serving.state import front_json, with_final_values
from paretune.search.serving.trial_rows import TrialRow
from paretune.search.study.records import Axis, Counts, FrontPoint, StudyRecord, TrialRecord
from paretune.search.study.seed_results import SeedResult
from paretune.search.views.front_table import front_info
from paretune.search.views.status import status_info
from paretune.search.views.trial_text import trial_json, trial_text

AXES = (Axis("accuracy", "fraction", "higher"), Axis("size", "bytes", "lower"))
COUNTS = Counts({"complete": 3}, 0, 0, 0, 0, 1.0, 0.0, 0, 0, 0)


def accuracy(value: float) -> Measurement:
    return Measurement("accuracy", value, "fraction", "higher", value - 0.02, value + 0.02, 100)


def trial(number: int, right: float, size: float, *others: float) -> TrialRecord:
    seeds = [SeedResult(r, "complete", {"accuracy": accuracy(v)}) for r, v in enumerate(others, 1)]
    measured = {
        "accuracy": accuracy(right),
        "size": Measurement("size", size, "bytes", "lower", size, size),
    }
    values = {"accuracy": right, "size": size}
    plan = [{"kind": "pretrain", "params": {"architecture": {"simple_cnn": {"width": 1.0}}}}]
    return TrialRecord(
        number, "complete", {}, plan, values, measurements=measured, seeds=tuple(seeds)
    )


def study(repeats: int = 3) -> StudyRecord:
    source: dict[str, Any] = {"search": {"repeats": repeats}}
    return StudyRecord(
        "made",
        source,
        AXES,
        (
            trial(0, 0.90, 9000),
            trial(1, 0.95, 5000, 0.89, 0.89),
            trial(2, 0.94, 5000, 0.94, 0.94),
        ),
        growth=(FrontPoint(1, 0.0, 0.5, (1,)),),
        info={"repeats": {"trainings": 4}},
    )


def test_front_shows_mean_spread_and_number_of_seeds_and_what_is_not_confirmed() -> None:
    front = StudyFront(front_info(with_final_front(study())))
    text = " ".join(front.text(160).split())
    assert "2 94.0 ±2.0 % +4.0 ±2.8 3, sd 0 5.00 KB" in text
    assert "1 91.0 ±8.8 %" in text and "3, sd 3.5" in text
    assert "(not confirmed: dominated by its mean)" in text
    assert "Trial 1 of the search's front not confirmed. Trial 2 came in by the mean." in text
    assert "first trainings of the search's front are 6.00 points better" in text
    row = front.to_dicts()[1]
    assert row["accuracy.seeds"] == 3 and row["accuracy.seeds_sd"] == 0.0
    assert "sd 0" in front._html_table()


def test_json_has_seeds_only_in_a_study_with_repeats() -> None:
    fields = front_info(with_final_front(study())).to_json()
    assert fields["rows"][1]["seeds"]["accuracy"]["values"] == (0.94, 0.94, 0.94)
    assert fields["seeds"]["not_confirmed"] == {1: "dominated by its mean"}
    assert [row["trial"] for row in fields["not_confirmed"]] == [1]
    plain = front_info(with_final_front(study(repeats=1))).to_json()
    assert {"seeds", "not_confirmed"}.isdisjoint(plain)
    assert all("seeds" not in row for row in plain["rows"])


def test_page_shows_means_in_table_and_plots() -> None:
    record = with_final_front(study())
    shown = front_json(record, front_info(record))
    assert "seeds" in shown["headings"]
    assert shown["rows"][2]["marks"][0] == "not confirmed: dominated by its mean"
    rows = [TrialRow(1, "complete", 0.0, 1.0, "", values={"accuracy": 0.95})]
    assert round(with_final_values(rows, record)[1]["values"]["accuracy"], 6) == 0.91


def test_status_tells_progress_and_result() -> None:
    record = with_final_front(study())
    info = status_info(record, COUNTS)
    line = "trainings with other seeds: 4 of 4 done; trial 1 of the search's front not confirmed; "
    assert f"{line}trial 2 came in by the mean" in info.text()
    assert info.to_json()["seeds"]["done"] == 4
    assert "seeds" not in status_info(study(repeats=1), COUNTS).to_json()


def test_trial_shows_every_training_and_keeps_its_own_values() -> None:
    text = trial_text(study().trials[1])
    assert "seed 3: accuracy 89.00 %" in text
    assert "accuracy mean 91.00 % (82.2-99.8 %), sd 3.46 points, 3 seeds" in text
    fields = trial_json(study().trials[1])
    assert fields["values"]["accuracy"] == 0.95 and len(fields["seeds"]) == 2
    assert {"seeds", "single"}.isdisjoint(trial_json(replace(study().trials[1], seeds=())))


def test_trials_that_no_seed_changes_are_named() -> None:
    record = study()
    fixed = [replace(t, seeds=(SeedResult(0, "fixed"),)) for t in record.trials[1:]]
    record = with_final_front(replace(record, trials=(record.trials[0], *fixed)))
    text = " ".join(StudyFront(front_info(record)).text(160).split())
    assert "Trial 1 trains nothing of its own, so no seed changes it." in text
    assert "means over" not in text and "confirm" not in text
