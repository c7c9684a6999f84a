"""Accuracy and its Wilson interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from paretune.objectives.accuracy import BATCH, Accuracy
from paretune.objectives.base import Subject
from paretune.objectives.classification_scores import wilson
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.timing.estimates import Z95
from support.tasks import classification

FEW = ("top1", "balanced", "f1", "loss", "calibration")
"""Values for data of less than six classes."""

COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def labelled(make_data: Callable[..., Any], model: nn.Module, count: int, right: int) -> Any:
    """Returns data for which only the model's first `right` predictions are correct."""
    data = make_data(count)
    with torch.inference_mode():
        predictions = model(torch.from_numpy(data.images)).argmax(1).numpy()
    wrong = np.arange(count) >= right
    return make_data(count, (predictions + wrong) % data.task.outputs.size)


@pytest.mark.parametrize(
    ("count", "right"), [(1, 1), (40, 0), (40, 40), (40, 29), (BATCH + 1, 200), (2 * BATCH, 7)]
)
def test_accuracy_is_the_share_of_correct_predictions_over_all_batches(
    make_data: Callable[..., Any],
    make_subject: Callable[..., Subject],
    model: nn.Module,
    count: int,
    right: int,
) -> None:
    subject = make_subject(labelled(make_data, model, count, right))
    accuracy, *others = Accuracy.measure(subject, Accuracy.Params(), "validation")
    assert accuracy.value == right / count
    assert (accuracy.low, accuracy.high) == wilson(right, count)
    assert accuracy.count == count
    assert accuracy.conditions == {
        "part": "validation",
        "statistic": "top1",
        "runtime": "onnxruntime",
    }
    assert [m.name for m in others] == [f"accuracy.{name}" for name in FEW]
    assert all(m.count == count and m.conditions["part"] == "validation" for m in others)
    assert others[0].value == accuracy.value


def test_accuracy_is_the_statistic_of_the_options_and_takes_one_pass(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject], model: nn.Module
) -> None:
    passes: list[str] = []
    data = labelled(make_data, model, 40, 25)
    arrays = data.arrays

    def counted(part: str, size: int) -> Any:
        passes.append(part)
        return arrays(part, size)

    data.arrays = counted
    params = Accuracy.Params(statistic="balanced")
    accuracy, *others = Accuracy.measure(make_subject(data), params, "test")
    [balanced] = [m for m in others if m.name == "accuracy.balanced"]
    assert accuracy.value == balanced.value
    assert (accuracy.low, accuracy.high) == (balanced.low, balanced.high)
    assert accuracy.conditions["statistic"] == "balanced"
    assert passes == ["test"]


def test_top5_is_returned_for_more_than_five_classes_only(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject]
) -> None:
    small, large = make_data(), make_data()
    large.task = classification(6)
    names = [
        {m.name for m in Accuracy.measure(make_subject(data), Accuracy.Params(), "test")}
        for data in (small, large)
    ]
    assert names[1] - names[0] == {"accuracy.top5"}


def test_accuracy_is_unmeasurable_without_examples(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject]
) -> None:
    with pytest.raises(Unmeasurable, match="the test part has no examples"):
        Accuracy.measure(make_subject(make_data(0)), Accuracy.Params(), "test")


def test_z95_is_the_normal_quantile() -> None:
    assert math.erf(Z95 / math.sqrt(2)) == pytest.approx(0.95, abs=1e-7)


@pytest.mark.parametrize(
    ("right", "seen", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_has_the_published_values(
    right: int, seen: int, low: float, high: float
) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3."""
    assert wilson(right, seen) == pytest.approx((low, high), abs=5.1e-5)


@settings(deadline=None, max_examples=200)
@given(COUNTS)
def test_wilson_ends_are_where_the_share_is_z_deviations_away(counts: tuple[int, int]) -> None:
    right, seen = counts
    share = right / seen
    low, high = wilson(right, seen)
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        if 0 < end < 1:
            deviation = math.sqrt(end * (1 - end) / seen)
            assert abs(share - end) == pytest.approx(Z95 * deviation, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(COUNTS)
def test_wilson_interval_of_the_errors_is_the_mirror_image(counts: tuple[int, int]) -> None:
    right, seen = counts
    low, high = wilson(right, seen)
    mirrored = wilson(seen - right, seen)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(COUNTS, st.integers(2, 10))
def test_wilson_interval_is_narrower_with_more_examples(
    counts: tuple[int, int], times: int
) -> None:
    right, seen = counts
    low, high = wilson(right, seen)
    low_more, high_more = wilson(right * times, seen * times)
    assert high_more - low_more < high - low


def test_accuracy_keeps_its_results_on_each_example(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject], model: nn.Module
) -> None:
    subject = make_subject(labelled(make_data, model, 40, 29))
    measured = {m.name: m for m in Accuracy.measure(subject, Accuracy.Params(), "validation")}
    results = measured["accuracy"].per_example
    assert results is not None and results.form == "bits"
    assert (results.correct() == (np.arange(40) < 29)).all()
    assert measured["accuracy.top1"].per_example == results
    for name in ("f1", "loss", "balanced", "calibration"):
        further = measured[f"accuracy.{name}"].per_example
        assert further is not None and further.form == "resamples"
        assert further.examples == results.examples


def test_results_of_other_labels_or_parts_are_of_other_examples(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject], model: nn.Module
) -> None:
    def digest(right: int, part: str) -> str:
        subject = make_subject(labelled(make_data, model, 40, right))
        results = Accuracy.measure(subject, Accuracy.Params(), part)[0].per_example
        assert results is not None
        return results.examples

    assert digest(29, "validation") == digest(29, "validation")
    assert digest(29, "validation") != digest(29, "test")
    assert digest(29, "validation") != digest(28, "validation")
