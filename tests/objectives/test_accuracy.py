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

FEW = ("top1", "balanced", "f1", "loss", "calibration")
"""Values for data of less than six classes."""

COUNTS = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def labelled(make_data: Callable[..., Any], model: nn.Module, count: int, right: int) -> Any:
    """Data whose first `right` labels are the model's answers, and whose others are not."""
    data = make_data(count)
    with torch.inference_mode():
        answers = model(torch.from_numpy(data.images)).argmax(1).numpy()
    wrong = np.arange(count) >= right
    return make_data(count, (answers + wrong) % data.classes)


@pytest.mark.parametrize(
    ("count", "right"), [(1, 1), (40, 0), (40, 40), (40, 29), (BATCH + 1, 200), (2 * BATCH, 7)]
)
def test_accuracy_is_the_share_of_right_answers_over_all_batches(
    make_data: Callable[..., Any],
    make_subject: Callable[..., Subject],
    model: nn.Module,
    count: int,
    right: int,
) -> None:
    subject = make_subject(labelled(make_data, model, count, right))
    found, *others = Accuracy.measure(subject, Accuracy.Params(), "validation")
    assert found.value == right / count
    assert (found.low, found.high) == wilson(right, count)
    assert found.count == count
    assert found.conditions == {
        "part": "validation",
        "statistic": "top1",
        "runtime": "onnxruntime",
    }
    assert [m.name for m in others] == [f"accuracy.{name}" for name in FEW]
    assert all(m.count == count and m.conditions["part"] == "validation" for m in others)
    assert others[0].value == found.value


def test_accuracy_is_the_statistic_that_is_asked_for_from_one_pass(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject], model: nn.Module
) -> None:
    passes: list[str] = []
    data = labelled(make_data, model, 40, 25)
    arrays = data.arrays

    def counted(part: str, size: int) -> Any:
        passes.append(part)
        return arrays(part, size)

    data.arrays = counted
    found, *others = Accuracy.measure(
        make_subject(data), Accuracy.Params(statistic="balanced"), "test"
    )
    [balanced] = [m for m in others if m.name == "accuracy.balanced"]
    assert (found.value, found.low, found.high) == (balanced.value, balanced.low, balanced.high)
    assert found.conditions["statistic"] == "balanced"
    assert passes == ["test"]


def test_top5_is_given_for_more_than_five_classes_only(
    make_data: Callable[..., Any], make_subject: Callable[..., Subject]
) -> None:
    few, many = make_data(), make_data()
    many.classes = 6
    names = [
        {m.name for m in Accuracy.measure(make_subject(data), Accuracy.Params(), "test")}
        for data in (few, many)
    ]
    assert names[1] - names[0] == {"accuracy.top5"}


def test_accuracy_of_no_examples_cannot_be_measured(
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
def test_wilson_has_the_published_values(right: int, seen: int, low: float, high: float) -> None:
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
def test_wilson_of_the_wrong_answers_is_the_mirror_image(counts: tuple[int, int]) -> None:
    right, seen = counts
    low, high = wilson(right, seen)
    mirrored = wilson(seen - right, seen)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(COUNTS, st.integers(2, 10))
def test_wilson_is_narrower_with_more_examples(counts: tuple[int, int], times: int) -> None:
    right, seen = counts
    low, high = wilson(right, seen)
    low_more, high_more = wilson(right * times, seen * times)
    assert high_more - low_more < high - low
