"""Two-sample tests of a log against a reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from paretune.search.export.monitoring_reference import QUANTILES, sketch
from paretune.search.monitoring.autocorrelation import effective_count
from paretune.search.monitoring.drift import (
    ALPHA,
    LEAST_EXAMPLES,
    Drift,
    class_drift,
    drifts,
    holm,
    ks_p_value,
    number_drift,
)

NAME = "outputs.confidence"


def sketch_of(values: Any, name: str = NAME) -> dict[str, Any]:
    return sketch(name, list(values))


def row(name: str, reference: Any, values: Any) -> Drift:
    [result] = drifts({name: sketch_of(reference, name)}, {name: np.asarray(values, dtype=float)})
    return result


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("count", [40, 400])
def test_distance_and_p_value_are_those_of_scipy(shift: float, count: int) -> None:
    random = np.random.default_rng(3)
    reference, values = random.normal(size=500), random.normal(shift, size=count)
    expected = stats.ks_2samp(reference, values, method="asymp")
    drift = number_drift(NAME, sketch_of(reference), values)
    step = 1 / (QUANTILES - 1)
    assert expected.statistic - 2 * step <= drift.effect <= expected.statistic + step / 2
    assert ks_p_value(expected.statistic, 500, count) == pytest.approx(expected.pvalue, rel=0.3)


def test_small_reference_is_exact() -> None:
    reference, values = np.arange(40.0), np.arange(40.0) + 20
    assert number_drift(NAME, sketch_of(reference), values).effect == pytest.approx(0.5, abs=0.03)


def test_ties_are_compared_at_their_ends() -> None:
    reference = [0.0] * 60 + [1.0] * 40
    assert row(NAME, reference, [0.0] * 60 + [1.0] * 40).effect < 0.02
    assert row(NAME, reference, [0.0] * 20 + [1.0] * 80).effect == pytest.approx(0.4, abs=0.03)


def test_rounding_of_another_processor_is_no_drift() -> None:
    drift = row("inputs.input.min", [-0.8112] * 200, [-0.8113] * 200)
    assert drift.level == "ok" and drift.effect == 0


def test_holm_is_that_of_its_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_tiny_shift_in_a_million_calls_is_no_alarm() -> None:
    random = np.random.default_rng(0)
    drift = row(NAME, random.normal(size=2000), random.normal(0.1, size=1_000_000))
    assert drift.corrected < 0.05 and drift.effect < 0.1 and drift.level == "ok"


def test_large_shift_in_few_examples_is_untested() -> None:
    drift = row(NAME, np.arange(100), np.arange(LEAST_EXAMPLES - 1) + 500)
    assert drift.level == "untested" and drift.corrected == 1


def test_classes_are_compared_by_chi_square() -> None:
    reference, values = [0] * 100 + [1] * 100 + [2] * 100, [0] * 60 + [1] * 20 + [2] * 20
    random = np.random.default_rng(0)
    drift = class_drift(
        "outputs.class",
        sketch_of(reference, "outputs.class"),
        random.permutation(np.array(values, dtype=float)),
        ["cat", "dog", "cow"],
    )
    table = [[100, 100, 100], [60, 20, 20]]
    assert drift.effect == pytest.approx(0.6 - 1 / 3, abs=1e-6)
    assert drift.p == pytest.approx(stats.chi2_contingency(table).pvalue, rel=0.9)
    assert drift.detail.startswith("cat 33 % -> 60 %")


def test_class_that_never_came_before_is_found() -> None:
    drift = row("outputs.class", [0, 1] * 100, [0, 1, 7, 7] * 50)
    assert drift.level == "off" and "class 7 0 % -> 50 %" in drift.detail


def test_classes_beyond_the_sketch_count_together() -> None:
    random = np.random.default_rng(1)
    reference, values = random.integers(0, 500, 4000), random.integers(0, 500, 400)
    assert row("outputs.class", reference, values).level == "ok"


def test_rare_classes_give_no_false_alarm() -> None:
    random = np.random.default_rng(5)
    chances = np.r_[0.9, np.full(100, 0.001)]
    alarms = 0
    for _ in range(50):
        reference, values = (random.choice(101, n, p=chances / chances.sum()) for n in (300, 200))
        alarms += row("outputs.class", reference, values).level == "off"
    assert alarms == 0


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_examples_with_nan_are_found(share: float) -> None:
    values = np.zeros(200)
    values[: int(200 * share)] = 0.5
    assert row("inputs.input.nan", [0.0] * 300, values).level == ("off" if share else "ok")


def test_statistic_of_nothing_is_untested() -> None:
    assert row(NAME, [0.5] * 100, [np.nan] * 100).level == "untested"


def test_independent_examples_count_in_full() -> None:
    random = np.random.default_rng(0)
    counts = [effective_count(random.normal(size=1000)) for _ in range(50)]
    assert np.median(counts) > 900


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_neighbours_that_are_alike_count_less(rho: float) -> None:
    random = np.random.default_rng(0)
    noise, values = random.normal(size=20_000), np.zeros(20_000)
    for i in range(1, len(values)):
        values[i] = rho * values[i - 1] + noise[i]
    expected = len(values) * (1 - rho) / (1 + rho)  # of an AR(1) process
    assert effective_count(values) == pytest.approx(expected, rel=0.15)


def test_calm_series_of_alike_neighbours_raises_no_alarm() -> None:
    random = np.random.default_rng(0)
    reference = random.normal(size=500)
    alarms = 0
    for _ in range(50):
        values = np.repeat(random.normal(size=40), 10)  # each scene lasts ten frames
        alarms += row(NAME, reference, values).level == "off"
        assert number_drift(NAME, sketch_of(reference), values).effective < 120
    assert alarms == 0


def test_drift_that_begins_half_way_is_found() -> None:
    random = np.random.default_rng(0)
    values = np.r_[random.normal(size=200), random.normal(2, size=200)]
    assert row(NAME, random.normal(size=500), values).level == "off"


def test_false_alarms_are_as_rare_as_promised() -> None:
    random = np.random.default_rng(2)
    alarms = 0
    for _ in range(60):
        reference = {f"outputs.{i}": sketch_of(random.normal(size=300)) for i in range(8)}
        values = {name: random.normal(size=200) for name in reference}
        alarms += any(each.level == "off" for each in drifts(reference, values))
    assert alarms <= 60 * ALPHA + 1
