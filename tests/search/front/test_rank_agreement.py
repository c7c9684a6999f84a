"""Kendall's tau equals SciPy's, and few or constant scores have none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau

from paretune.search.front.rank_agreement import kendall_tau, rank_agreement


@pytest.mark.parametrize("levels", [3, 1000])
def test_tau_equals_that_of_scipy_with_and_without_ties(levels: int) -> None:
    random = np.random.default_rng(1)
    one = random.integers(levels, size=40).astype(float)
    other = one + random.integers(levels, size=40)
    assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other).statistic)


def test_interval_contains_tau_and_shrinks_with_more_networks() -> None:
    random = np.random.default_rng(2)

    def width(count: int) -> float:
        one = random.normal(size=count)
        agreement = rank_agreement(one.tolist(), (one + random.normal(size=count)).tolist())
        assert agreement is not None and agreement.count == count
        assert agreement.low <= agreement.tau <= agreement.high
        return agreement.high - agreement.low

    assert width(200) < width(20)


@pytest.mark.parametrize("scores", [[1.0, 2.0], [1.0] * 9])
def test_there_is_no_agreement_of_few_or_constant_scores(scores: list[float]) -> None:
    assert rank_agreement(scores, list(range(len(scores)))) is None
