"""Results on each example: they keep the covariance of two networks in few bytes."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.objectives.bootstrap import RESAMPLES, resample_weights
from paretune.objectives.example_results import MOST_BITS, ExampleResults


def correct(seed: int, count: int = 1000, share: float = 0.9) -> np.ndarray:
    return np.random.default_rng(seed).random(count) < share


def covariance(first: ExampleResults, second: ExampleResults) -> float:
    return float(first.errors() @ second.errors())


def test_bits_are_unpacked_as_they_were_packed() -> None:
    for count in (1, 8, 397):
        bits = correct(count, count)
        results = ExampleResults.of_correct(bits, "x")
        assert (results.correct() == bits).all()
        assert len(results.packed) == (count + 7) // 8


def test_inner_product_of_bits_is_the_covariance_of_two_means() -> None:
    first, second = correct(0), correct(1) | correct(0)
    results = [ExampleResults.of_correct(bits, "x") for bits in (first, second)]
    expected = np.cov(first.astype(float), second.astype(float), ddof=0)[0, 1] / len(first)
    assert covariance(*results) == pytest.approx(expected)


def test_resampled_mean_has_the_variance_of_the_mean() -> None:
    values = np.random.default_rng(2).exponential(size=2000)
    results = ExampleResults.of_values(values, "x")
    assert results is not None
    assert covariance(results, results) == pytest.approx(values.var() / 2000, rel=0.2)
    assert len(results.packed) == 4 * RESAMPLES


def test_resampled_means_of_the_same_examples_are_paired() -> None:
    values = np.random.default_rng(3).exponential(size=2000)
    gain = np.random.default_rng(4).normal(0.0, 0.01, 2000)
    first, second = (ExampleResults.of_values(v, "x") for v in (values, values + gain))
    assert first is not None and second is not None
    difference = first.errors() - second.errors()
    assert difference @ difference == pytest.approx(gain.var() / 2000, rel=0.2)


def test_share_of_a_huge_part_is_resampled_and_takes_few_bytes() -> None:
    bits = correct(5, MOST_BITS + 1)
    results = ExampleResults.of_correct(bits, "x")
    assert results.form == "resamples" and len(results.packed) == 4 * RESAMPLES
    variance = bits.var() / len(bits)
    assert covariance(results, results) == pytest.approx(variance, rel=0.25)
    assert ExampleResults.of_correct(bits[:-1], "x").form == "bits"


def test_values_that_are_not_finite_give_no_results() -> None:
    assert ExampleResults.of_values(np.array([1.0, np.nan, 2.0]), "x") is None
    assert ExampleResults.of_values(np.array([1.0, np.inf, 2.0]), "x") is None


def test_results_pair_only_with_those_of_the_same_examples() -> None:
    bits = ExampleResults.of_correct(correct(0), "x")
    assert bits.pairs_with(ExampleResults.of_correct(correct(1), "x"))
    assert not bits.pairs_with(ExampleResults.of_correct(correct(1), "y"))
    assert not bits.pairs_with(ExampleResults.of_correct(correct(1, 999), "x"))
    values = ExampleResults.of_values(correct(1).astype(float), "x")
    assert values is not None and not bits.pairs_with(values)


def test_every_network_has_the_same_resamples() -> None:
    first, second = list(resample_weights(50)), list(resample_weights(50))
    assert len(first) == RESAMPLES
    assert all((a == b).all() and a.sum() == 50 for a, b in zip(first, second, strict=True))
