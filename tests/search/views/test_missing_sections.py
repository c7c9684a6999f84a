"""Sections of the report without anything to draw say what they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paretune.search.study.records import StudyRecord
from paretune.search.views.missing_sections import missing_sections
from paretune.search.views.report import report_html

MakeRecord = Callable[..., StudyRecord]


@pytest.mark.parametrize("trials", [1, 5])
def test_few_trials_are_counted(make_record: MakeRecord, trials: int) -> None:
    record = make_record(trials)
    complete = sum(t.number > 0 and t.state == "complete" for t in record.trials)
    words = f"needs at least 8 complete trials that have it; this study has {complete} complete"
    assert words in missing_sections(record)["importance"]
    assert words in report_html(record)


def test_plot_of_choices_needs_two_feasible_trials(make_record: MakeRecord) -> None:
    page = report_html(make_record(0))
    assert "needs at least 2 feasible trials; this study has 0 feasible trials besides" in page
    assert "besides" not in report_html(make_record(40))


def test_parameters_without_variation_are_named_as_the_cause(make_record: MakeRecord) -> None:
    record = make_record(40)
    without = tuple(replace(trial, params={}) for trial in record.trials)
    text = missing_sections(replace(record, trials=without))["importance"]
    assert text == "The space has no parameter that varies."
    equal = tuple(replace(trial, params={"lr": 0.1}) for trial in record.trials)
    text = missing_sections(replace(record, trials=equal))["importance"]
    assert text.startswith("No parameter has two values or more in at least 8 complete trials")


def test_hypervolume_needs_a_reference_point(make_record: MakeRecord) -> None:
    record = make_record(12)
    growth = tuple(replace(point, hypervolume=None) for point in record.growth)
    page = report_html(replace(record, growth=growth))
    assert "The hypervolume needs a reference point: a baseline, or worst: VALUE" in page
    assert 'id="hypervolume"' not in page
