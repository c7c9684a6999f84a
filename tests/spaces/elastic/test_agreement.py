"""How well a cheap score ranks like the final one."""

from __future__ import annotations

import math

import pytest

from paretune.spaces.elastic.agreement import rank_agreement


def test_tau_counts_pairs_in_the_same_order() -> None:
    agreement = rank_agreement([1, 2, 3, 4], [1, 2, 4, 3])
    assert agreement.tau == pytest.approx((5 - 1) / 6)
    assert agreement.count == 4
    assert rank_agreement([1, 2, 3], [3, 2, 1]).tau == pytest.approx(-1)


def test_missing_scores_are_left_out() -> None:
    agreement = rank_agreement([1, math.nan, 2, 3], [1, 9, 2, 3])
    assert (agreement.tau, agreement.count) == (pytest.approx(1), 3)


@pytest.mark.parametrize("final", [[1.0, 2.0], [5.0, 5.0, 5.0]])
def test_too_few_or_equal_scores_have_no_tau(final: list[float]) -> None:
    agreement = rank_agreement(list(range(len(final))), final)
    assert agreement.tau is None
    assert agreement.p is None
