"""Highlights name every trial of which they are as true within noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from paretune.objectives.base import Measurement
from paretune.search.errors import UserError
from paretune.search.front.highlights import highlights_of, tied_groups
from paretune.search.front.pick import pick
from paretune.search.study.records import StudyRecord
from paretune.search.views.front_table import front_info
from paretune.search.views.headline import answer_text

MakeRecord = Callable[..., StudyRecord]


def with_values(record: StudyRecord, values: Mapping[int, Mapping[str, float]]) -> StudyRecord:
    """Returns the record with other values of some trials; their intervals keep their width."""

    def changed(m: Measurement, value: float) -> Measurement:
        factor = value / m.value
        return replace(m, value=value, low=m.low * factor, high=m.high * factor)

    trials = []
    for trial in record.trials:
        new = values.get(trial.number)
        if new is not None:
            measured = {**trial.measurements}
            measured |= {name: changed(measured[name], value) for name, value in new.items()}
            trial = replace(trial, values={**trial.values, **new}, measurements=measured)
        trials.append(trial)
    return replace(record, trials=tuple(trials))


def near_study(make_record: MakeRecord, latencies: list[float]) -> tuple[StudyRecord, list[int]]:
    """Returns a record and its front: trials of these latencies that lose half a point.

    Each is smaller than the one before.
    """
    record = make_record(100, 3)
    numbers = [t.number for t in record.trials if t.number and t.feasible][: len(latencies)]
    values = {
        number: {"accuracy": 0.945, "latency": ms, "size": 1e6 * (10 - index)}
        for index, (number, ms) in enumerate(zip(numbers, latencies, strict=True))
    }
    return replace(with_values(record, values), final_members=frozenset(numbers)), numbers


def test_fastest_ties_with_trials_within_noise(make_record: MakeRecord) -> None:
    record, (a, b, c) = near_study(make_record, [1.0, 1.03, 1.2])
    [highlight] = [
        highlight
        for highlight in highlights_of(record)
        if highlight.text == "fastest within 1 point"
    ]
    assert (highlight.trial, highlight.ties) == (a, (b,))
    [smallest] = [
        highlight
        for highlight in highlights_of(record)
        if highlight.text == "smallest within 1 point"
    ]
    assert (smallest.trial, smallest.ties) == (c, ())


def test_fastest_has_no_ties_when_the_others_are_slower(make_record: MakeRecord) -> None:
    record, (a, *_) = near_study(make_record, [1.0, 1.1, 1.2])
    [highlight] = [
        highlight
        for highlight in highlights_of(record)
        if highlight.text == "fastest within 1 point"
    ]
    assert (highlight.trial, highlight.ties) == (a, ())


def test_test_part_does_not_choose(make_record: MakeRecord) -> None:
    """A choice by the test part would make its accuracies too high."""
    record, (a, _, _) = near_study(make_record, [1.0, 1.5, 1.6])
    lucky = record.trials[a]
    base = record.trials[0].test["accuracy"]
    test = {"accuracy": replace(base, value=base.value - 0.02)}
    trials = tuple(replace(lucky, test=test) if t is lucky else t for t in record.trials)
    [highlight] = [
        c
        for c in highlights_of(replace(record, trials=trials))
        if c.text == "fastest within 1 point"
    ]
    assert highlight.trial == a


def test_answer_names_the_trials_that_are_as_fast(make_record: MakeRecord) -> None:
    record, (a, b, c) = near_study(make_record, [1.0, 1.03, 1.02])
    text = answer_text(front_info(record))
    assert text.startswith(f"Trial {a} is 2.0x faster")
    assert text.endswith(f"Trials {c} and {b} are as fast, within noise.")


def test_tied_groups_begin_with_the_best_and_leave_out_exact_objectives(
    make_record: MakeRecord,
) -> None:
    record, (a, b, c) = near_study(make_record, [1.2, 1.0, 1.03])
    trials = [record.trials[n] for n in (a, b, c)]
    groups = tied_groups(trials, record)
    assert groups["latency"] == ((b, c),)
    assert groups["accuracy"] == ((a, b, c),)
    assert "size" not in groups


def test_knee_ties_with_an_equal_trial(make_record: MakeRecord) -> None:
    record, numbers = near_study(make_record, [1.0, 1.0, 4.0, 0.5])
    a, b, c, d = numbers
    record = with_values(
        record,
        {
            a: {"accuracy": 0.94, "size": 2e6},
            b: {"accuracy": 0.94, "size": 2e6},
            c: {"accuracy": 0.99, "size": 8e6},
            d: {"accuracy": 0.70, "size": 1e6},
        },
    )
    [highlight] = [highlight for highlight in highlights_of(record) if highlight.text == "knee"]
    assert {highlight.trial, *highlight.ties} == {a, b}


def with_axes(record: StudyRecord, names: Mapping[str, str]) -> StudyRecord:
    """Returns the record with further costs: name -> the axis whose values it has."""
    trials = []
    for trial in record.trials:
        if trial.measurements:
            copies = {new: replace(trial.measurements[old], name=new) for new, old in names.items()}
            values = {new: trial.values[old] for new, old in names.items()}
            trial = replace(
                trial,
                measurements={**trial.measurements, **copies},
                values={**trial.values, **values},
            )
        trials.append(trial)
    axes = {axis.name: axis for axis in record.axes}
    more = [replace(axes[old], name=new) for new, old in names.items()]
    return replace(record, trials=tuple(trials), axes=(*record.axes, *more))


def test_costs_of_one_unit_have_different_words(make_record: MakeRecord) -> None:
    record, (a, b, _) = near_study(make_record, [1.0, 1.1, 1.2])
    record = with_axes(record, {"latency.sustained": "latency", "memory": "size"})
    record = with_values(record, {a: {"latency.sustained": 1.5}, b: {"latency.sustained": 0.9}})

    texts = {highlight.text: highlight.trial for highlight in highlights_of(record)}

    assert texts["fastest within 1 point"] == a
    assert texts["fastest under load within 1 point"] == b
    assert {"smallest within 1 point", "least memory within 1 point"} <= set(texts)
    assert len(texts) == len(highlights_of(record))
    assert pick(record, "fastest").number == a
    assert answer_text(front_info(record)).startswith(f"Trial {a} is 2.0x faster")


def test_memory_is_no_size_when_the_study_has_no_size(make_record: MakeRecord) -> None:
    record, _ = near_study(make_record, [1.0, 1.1, 1.2])
    record = with_axes(record, {"memory@pi": "size"})
    axes = tuple(axis for axis in record.axes if axis.name != "size")
    record = replace(record, axes=axes)

    texts = [highlight.text for highlight in highlights_of(record)]

    assert "least memory on pi within 1 point" in texts
    assert not any(text.startswith("smallest") for text in texts)
    with pytest.raises(UserError, match="the study has no objective that says what is smallest"):
        pick(record, "smallest")


def test_slower_trial_than_the_baseline_is_not_the_fastest_but_can_be_picked(
    make_record: MakeRecord,
) -> None:
    record, (a, *_) = near_study(make_record, [5.0, 5.5, 6.0])

    assert not any(h.text.startswith("fastest") for h in highlights_of(record))
    assert "smallest within 1 point" in {h.text for h in highlights_of(record)}
    assert pick(record, "fastest").number == a
