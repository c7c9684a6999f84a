"""Violations of constraints, and digests of content."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.search.study.constraints import read_constraint
from paretune.search.study.spec import Bound, canonical, digest

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


@given(bound=positive, value=positive, baseline=positive)
def test_violation_is_positive_exactly_when_broken(
    bound: float, value: float, baseline: float
) -> None:
    upper = read_constraint(f"latency <= {bound!r}", UNITS)
    lower = read_constraint(f"latency >= {bound!r}", UNITS)

    assert (upper.violation(value, baseline) > 0) == (value > bound)
    assert (lower.violation(value, baseline) > 0) == (value < bound)
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
