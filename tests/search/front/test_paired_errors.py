"""Joint errors: their covariance, ties of equal networks, and the shared error left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.front import paired_errors as module
from paretune.search.front.paired_errors import paired_errors
from support.measurements import accuracy, paired_accuracy


def networks(count: int, examples: int = 500, seed: int = 0) -> list[Measurement]:
    """Accuracies of networks that fail on the same hard examples."""
    random = np.random.default_rng(seed)
    hard = random.random(examples)
    return [
        paired_accuracy(hard + random.normal(0, 0.15, examples) > 0.12 + 0.01 * index)
        for index in range(count)
    ]


def correct(m: Measurement) -> np.ndarray:
    assert m.per_example is not None
    return m.per_example.correct().astype(float)


def test_drawn_differences_have_the_variance_of_the_paired_differences() -> None:
    measured = networks(5)
    errors = paired_errors(measured)
    assert errors is not None
    drawn = errors.draw(20_000, 0)
    for i in range(5):
        for j in range(i):
            apart = correct(measured[i]) - correct(measured[j])
            expected = apart.var() / len(apart)
            assert (drawn[:, i] - drawn[:, j]).var() == pytest.approx(expected, rel=0.05)


def test_deviations_are_smaller_than_those_of_the_networks_alone() -> None:
    measured = networks(5)
    errors = paired_errors(measured)
    assert errors is not None
    alone = np.array([correct(m).std() / np.sqrt(500) for m in measured])
    assert (errors.deviations() < 0.8 * alone).all()


def test_networks_with_equal_results_tie_in_every_draw() -> None:
    first, second, third = networks(3)
    errors = paired_errors([first, second, replace(first), third])
    assert errors is not None
    drawn = errors.draw(500, 0)
    assert (drawn[:, 0] == drawn[:, 2]).all()
    assert (drawn[:, 0] != drawn[:, 1]).any()


def test_two_equal_networks_have_no_error_at_all() -> None:
    [only] = networks(1)
    errors = paired_errors([only, replace(only)])
    assert errors is not None
    assert list(errors.deviations()) == [0.0, 0.0]


def test_results_of_other_examples_are_not_paired() -> None:
    first, second = networks(2)
    other = paired_accuracy(correct(second) > 0, "other examples")
    errors = paired_errors([first, other, accuracy(9, 10), second])
    assert errors is not None
    assert list(errors.paired) == [True, False, False, True]
    assert paired_errors([first, other]) is None
    assert paired_errors([accuracy(9, 10), accuracy(8, 10)]) is None


def test_too_many_networks_are_paired_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAIRED", 4)
    errors = paired_errors(networks(6))
    assert errors is not None
    assert list(errors.paired) == [True] * 4 + [False] * 2


def test_relative_errors_are_those_of_the_logarithms() -> None:
    measured = networks(3)
    plain, relative = paired_errors(measured), paired_errors(measured, relative=True)
    assert plain is not None and relative is not None
    # for small errors, log(value + error) = log(value) + error / value
    gap = plain.draw(4000, 1)[:, 0] - plain.draw(4000, 1)[:, 2]
    relative_gap = relative.draw(4000, 1)[:, 0] - relative.draw(4000, 1)[:, 2]
    assert relative_gap.std() == pytest.approx(gap.std() / measured[0].value, rel=0.1)
