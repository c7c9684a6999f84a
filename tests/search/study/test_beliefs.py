"""Beliefs: numbers with their spread, and options with their weights."""

from __future__ import annotations

import pytest

from paretune.search.study.beliefs import (
    DEFAULT_SPREAD,
    LEAST_SPREAD,
    number_belief,
    option_belief,
    value_at,
)
from paretune.spaces.domains import Choice, Fixed, Float, Int


@pytest.mark.parametrize("text", ["0.4 +- 0.1", "0.4+-0.1", " .4 +/- 1e-1", "0.4 ± 0.1"])
def test_spread_is_a_share_of_the_domain(text: str) -> None:
    belief = number_belief(text, Float(0.0, 0.8))
    assert belief.center == pytest.approx(0.5)
    assert belief.spread == pytest.approx(0.125)


@pytest.mark.parametrize("text", ["1e-2 x/ 10", "0.01*/10", "1e-2 ×/ 10"])
def test_factor_is_a_distance_of_logarithms(text: str) -> None:
    belief = number_belief(text, Float(1e-4, 1.0, log=True))
    assert (belief.center, belief.spread) == (pytest.approx(0.5), pytest.approx(0.25))


def test_number_alone_has_the_default_spread() -> None:
    assert number_belief(3, Int(1, 5)).spread == DEFAULT_SPREAD


def test_sharp_belief_has_the_least_spread() -> None:
    assert number_belief("0.4 +- 1e-9", Float(0, 1)).spread == LEAST_SPREAD


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.9 +- 0.1", "must be from 0.1 to 0.8, got 0.9"),
        ("0.4 +- 0", "spread after [+]- must be above 0"),
        ("0.4 x/ 1", "factor after x/ must be above 1"),
        ("0.4 +- 1e999", "give finite numbers"),
        ("about 0.4", "give a number with its spread"),
        (True, "give a number with its spread"),
        (None, "give a number with its spread"),
    ],
)
def test_other_text_is_refused(value: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        number_belief(value, Float(0.1, 0.8))


def test_factor_is_refused_in_a_domain_that_reaches_zero() -> None:
    with pytest.raises(ValueError, match=r"write 0.4 [+]- 0.2"):
        number_belief("0.4 x/ 2", Float(0, 1))


def test_weights_become_shares_of_all_options() -> None:
    domain = Choice((("a", Fixed(1)), ("b", Fixed(2)), ("c", Fixed(3))))
    assert option_belief({"a": 3, "b": 1}, domain).shares == {"a": 0.75, "b": 0.25, "c": 0.0}


@pytest.mark.parametrize("log", [False, True])
def test_value_at_a_position_stays_within_the_domain(log: bool) -> None:
    domain = Float(0.1, 0.9, log=log)
    assert [value_at(domain, where) for where in (-1, 0, 1, 2)] == pytest.approx(
        [0.1, 0.1, 0.9, 0.9]
    )
