"""Violations of constraints, and digests of content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.search.study.constraints import read_constraint
from paretune.search.study.spec import ROUNDING, Bound, canonical, digest

UNITS = {"accuracy": "fraction", "latency": "ms", "size": "bytes"}

positive = st.floats(1e-6, 1e6)


@pytest.mark.parametrize(
    ("bound", "relative", "number"),
    [(Bound(0.0, 2.0), False, 2.0), (Bound(0.5, 0.0), True, 5.0), (Bound(1.0, -0.5), True, 9.5)],
)
def test_bound_is_a_multiple_of_the_baseline_plus_an_offset(
    bound: Bound, relative: bool, number: float
) -> None:
    assert bound.relative is relative
    assert bound.resolve(10.0) == number


@pytest.mark.parametrize(
    ("text", "value", "baseline", "violation"),
    [
        ("latency <= 2 ms", 3.0, 9.0, 0.5),
        ("latency <= 2 ms", 1.0, 9.0, -0.5),
        ("latency <= 0.5 x baseline", 6.0, 10.0, 0.2),
        ("latency <= 0.5 x baseline", 5.0, 10.0, 0.0),
        ("accuracy >= baseline - 1%", 0.78, 0.81, 0.025),
        ("accuracy >= baseline - 1%", 0.82, 0.81, -0.025),
        ("size <= 0", 5.0, 10.0, 5.0),
    ],
)
def test_violation_is_a_share_of_the_bound(
    text: str, value: float, baseline: float, violation: float
) -> None:
    actual = read_constraint(text, UNITS).violation(value, baseline)

    assert actual == pytest.approx(violation, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "value", "baseline"),
    [
        ("size <= 2.01 KB", 2010, 9e4),  # 2.01 * 1000 is 2009.9999999999998
        ("accuracy >= baseline - 10%", 0.7, 0.8),  # 0.8 - 0.1 is 0.7000000000000001
        ("accuracy >= baseline - 0.7%", 0.0, 0.007),  # 0.007 - 0.007 is above 0
        ("latency <= 0.7 x baseline", 2.1, 3.0),  # 0.7 * 3 is 2.0999999999999996
    ],
)
def test_value_equal_to_its_bound_keeps_it(text: str, value: float, baseline: float) -> None:
    assert read_constraint(text, UNITS).violation(value, baseline) == 0


def test_every_size_keeps_itself_as_a_bound_in_any_unit() -> None:
    for size in range(1, 20_000):
        for unit, factor in (("KB", 1000), ("MB", 1_000_000), ("KiB", 1024)):
            constraint = read_constraint(f"size <= {size / factor!r} {unit}", UNITS)
            assert constraint.violation(size, 0.0) <= 0 < constraint.violation(size + 1, 0.0)


def test_every_share_of_examples_keeps_itself_as_a_bound() -> None:
    for count in (100, 200, 448, 1000):
        for right in range(count + 1):
            for lost in range(20):
                text = f"accuracy >= baseline - {100 * lost / count!r}%"
                constraint = read_constraint(text, UNITS)
                assert constraint.violation(right / count, (right + lost) / count) <= 0, text


@given(bound=positive, value=positive, baseline=positive)
def test_violation_is_positive_exactly_when_broken(
    bound: float, value: float, baseline: float
) -> None:
    upper = read_constraint(f"latency <= {bound!r}", UNITS)
    lower = read_constraint(f"latency >= {bound!r}", UNITS)

    is_equal = abs(value - bound) <= ROUNDING * bound
    assert (upper.violation(value, baseline) > 0) == (value > bound and not is_equal)
    assert (lower.violation(value, baseline) > 0) == (value < bound and not is_equal)
    assert upper.violation(value, baseline) == -lower.violation(value, baseline)
    for constraint in (upper, lower):
        recovered = constraint.value(constraint.violation(value, baseline), baseline)
        assert recovered == pytest.approx(value, rel=1e-9, abs=1e-9 * abs(bound) + 1e-12)


@given(
    factor=st.floats(0.01, 10),
    value=positive,
    baseline=positive,
    scale=st.sampled_from([1e-3, 1e3]),
)
def test_relative_constraint_does_not_depend_on_the_unit(
    factor: float, value: float, baseline: float, scale: float
) -> None:
    constraint = read_constraint(f"size <= {factor!r} x baseline", UNITS)

    assert constraint.violation(value * scale, baseline * scale) == pytest.approx(
        constraint.violation(value, baseline), rel=1e-9, abs=1e-9
    )


content = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(content, content)
def test_digests_are_equal_exactly_when_the_content_is(one: Any, two: Any) -> None:
    assert (digest(one) == digest(two)) == (canonical(one) == canonical(two))
    assert digest(json.loads(canonical(one))) == digest(one)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_digest_refuses_numbers_that_json_does_not_have(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"lr": value})
