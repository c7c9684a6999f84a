"""Comparing studies: common axes, pairs, ratios where times are not alike, hypervolume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click
import numpy as np
import pytest

from paretune.search.comparing.comparison import compare_studies
from paretune.search.comparing.text import comparison_view, difference_text, front_table
from paretune.search.errors import UserError
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from support.measurements import latency, paired_accuracy

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
RIGHT = np.arange(1000) % 10 > 0  # 90 % of the examples


def trial(number: int, correct: np.ndarray, milliseconds: float, network: str) -> TrialRecord:
    accuracy = paired_accuracy(correct, "validation")
    time = latency(milliseconds, 2.0)
    return TrialRecord(
        number,
        "complete",
        {},
        [
            {
                "kind": "pretrain",
                "params": {"architecture": {network: {}}, "recipe": None, "checkpoint": None},
            },
            {"kind": "deploy", "params": {"runtime": {"onnxruntime": {"threads": 1}}}},
        ],
        {"accuracy": accuracy.value, "latency": milliseconds},
        {"accuracy": accuracy, "latency": time},
    )


def study(
    name: str,
    extra_wrong: int = 0,
    speed: float = 1.0,
    host: str = "aaa",
    data: str = "same",
    network: str = "big",
    **changes: Any,
) -> StudyRecord:
    """Returns a study of a baseline and a twice as fast trial, which fails on more examples."""
    worse = RIGHT.copy()
    worse[np.flatnonzero(RIGHT)[: 100 + extra_wrong]] = False
    trials = (trial(0, RIGHT, 4.0 / speed, network), trial(1, worse, 2.0 / speed, "small"))
    info: Mapping[str, Any] = {
        "fingerprint": data,
        "host": host,
        "classes": 10,
        "hosts": {host: {"cpu": f"cpu {host}", "cores": 2}},
        "versions": {"paretune": "0.1"},
    }
    record = StudyRecord(name, {}, AXES, trials, (FrontPoint(1, 1.0, None, (0, 1)),), 1, info)
    return replace(record, **changes)


def compared(*records: StudyRecord) -> Any:
    return compare_studies([record.name for record in records], records)


def test_equal_studies_are_equal() -> None:
    info = compared(study("a"), study("b"))
    first, second = info.studies
    assert first.hypervolume == second.hypervolume
    assert {d.better for d in info.differences} == {None}
    assert all(member.undominated for s in info.studies for member in s.front)


def test_scores_on_the_same_data_are_paired() -> None:
    records = [
        replace(r, trials=r.trials[1:], growth=(FrontPoint(1, 1.0, None, (1,)),))
        for r in (study("a"), study("b", extra_wrong=12))
    ]
    first = compared(*records).differences[0]
    assert first.paired and first.better == "a"
    assert "(validation part, on the same examples)" in difference_text(first, compared(*records))
    other = replace(records[1], info={**records[1].info, "fingerprint": "other"})
    info = compared(records[0], other)
    assert not info.differences[0].paired
    assert info.differences[0].better is None, "12 of 1,000 are within noise if not paired"
    assert any("come from different examples" in note for note in info.notes)


def test_drift_between_sessions_cancels_by_the_same_baseline() -> None:
    info = compared(study("a"), study("b", speed=1.5))
    assert info.ratio_axes == ("latency",)
    time = next(d for d in info.differences if d.objective == "latency")
    assert time.of_ratios and time.change is not None
    assert time.change.value == pytest.approx(1.0)
    assert info.studies[0].hypervolume == pytest.approx(info.studies[1].hypervolume)


def test_times_of_other_hosts_are_compared_by_ratios_only() -> None:
    info = compared(study("a"), study("b", speed=3.0, host="bbb", network="other"))
    assert info.ratio_axes == ("latency",)
    [note] = [note for note in info.notes if "was not measured alike" in note]
    assert "host: cpu aaa, 2 cores (aaa) / cpu bbb, 2 cores (bbb)" in note
    assert "the baselines are different networks" in note
    time = next(d for d in info.differences if d.objective == "latency")
    assert time.better is None, "three times as fast in ms, but equal beside its own baseline"
    assert info.reference["latency"] == pytest.approx(1.2)


def test_other_runtime_is_named() -> None:
    other = study("b")
    plan = [
        other.trials[0].plan[0],
        {"kind": "deploy", "params": {"runtime": {"openvino": {"threads": 1}}}},
    ]
    other = replace(other, trials=tuple(replace(t, plan=plan) for t in other.trials))
    [note] = [n for n in compared(study("a"), other).notes if "measured alike" in n]
    assert "runtime: onnxruntime (threads 1) / openvino (threads 1)" in note


def test_times_on_one_host_with_other_baselines_are_compared_in_ms() -> None:
    info = compared(study("a"), study("b", speed=3.0, network="other"))
    assert info.ratio_axes == ()
    time = next(d for d in info.differences if d.objective == "latency")
    assert time.better == "b" and time.change is not None
    assert time.change.value == pytest.approx(1 / 3)
    assert any("the machine may have drifted" in note for note in info.notes)
    assert [m.undominated for m in info.studies[0].front] == [False, False]
    first, second = info.studies
    assert first.hypervolume < second.hypervolume


def test_study_without_baseline_has_no_ratio_and_no_hypervolume() -> None:
    other = study("b", host="bbb")
    other = replace(other, trials=other.trials[1:], growth=(FrontPoint(1, 1.0, None, (1,)),))
    info = compared(study("a"), other)
    assert [s.hypervolume for s in info.studies] == [None, None]
    time = next(d for d in info.differences if d.objective == "latency")
    assert time.change is None
    assert "cannot be compared: a baseline is missing" in difference_text(time, info)


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ((AXES[0], Axis("size", "bytes", "lower")), "share only accuracy"),
        ((Axis("size", "bytes", "lower"),), "share no objective"),
        ((AXES[0], Axis("latency", "s", "lower")), "latency is in ms .* in a and in s .* in b"),
        ((AXES[0], Axis("latency", "ms", "higher")), "higher is better"),
    ],
)
def test_studies_without_common_axes_are_refused(axes: tuple[Axis, ...], text: str) -> None:
    with pytest.raises(UserError, match=text):
        compared(study("a"), study("b", axes=axes))


def test_notes_name_constraints_and_objectives_that_differ() -> None:
    other = study("b", source={"constraints": ["latency <= 3 ms"]})
    axes = (*AXES, Axis("size", "bytes", "lower"))
    notes = " ".join(compared(replace(other, axes=axes), study("a")).notes)
    assert "different constraints" in notes
    assert "b also has size, which the others lack" in notes


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_text_fits_the_terminal(width: int) -> None:
    text = click.unstyle(
        comparison_view(compared(study("a"), study("b", extra_wrong=40)), width).text()
    )
    assert max(map(len, text.splitlines())) <= width
    assert "best accuracy" in text and "hypervolume on accuracy and latency" in text


def test_table_holds_all_fronts_with_their_baselines() -> None:
    headings, lines, plans = front_table(compared(study("a"), study("b"), study("c")))
    assert headings[:2] == ["study", "trial"]
    assert [line[:2] for line in lines] == [[n, t] for n in "abc" for t in ("base", "1")]
    assert plans[:2] == ["big", "small"]


def test_json_names_everything() -> None:
    import json

    answer = json.loads(json.dumps(compared(study("a"), study("b")).to_json()))
    assert [s["name"] for s in answer["studies"]] == ["a", "b"]
    assert {"axes", "ratio_axes", "differences", "reference", "notes"} <= set(answer)


def test_trial_that_is_dominated_on_the_common_axes_is_left_out() -> None:
    worse = study("a")
    dominated = trial(2, worse.trials[1].measurements["accuracy"].value > 2 * RIGHT, 9.0, "x")
    record = replace(
        worse,
        trials=(*worse.trials, dominated),
        growth=(FrontPoint(2, 1.0, None, (0, 1, 2)),),
    )
    assert [member.number for member in compared(record, study("b")).studies[0].front] == [0, 1]
