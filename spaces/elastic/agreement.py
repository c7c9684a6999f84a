"""How well a cheap score ranks subnets like their final score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RankAgreement:
    """Kendall's rank correlation of two scores.

    Attributes:
        tau: Kendall's tau-b in [-1, 1]; 1 if both give the same order. None if fewer than three
            subnets have both scores, or one score is the same for all.
        p: Probability of a tau at least as far from 0 if the scores had nothing to do with each
            other; None without a tau.
        count: Number of subnets with both scores.
    """

    tau: float | None
    p: float | None
    count: int


def rank_agreement(cheap: Sequence[float], final: Sequence[float]) -> RankAgreement:
    """Returns how well two scores agree on the order of the same subnets.

    Pairs with a NaN are left out.

    Args:
        cheap: The cheap score of each subnet; larger is better in both, or smaller is.
        final: The final score of each subnet, in the same order.

    Raises:
        ValueError: The lists have different lengths.
    """
    from scipy.stats import kendalltau

    pairs = [
        (a, b) for a, b in zip(cheap, final, strict=True) if not math.isnan(a) and not math.isnan(b)
    ]
    if len(pairs) < 3:
        return RankAgreement(None, None, len(pairs))
    first, second = zip(*pairs, strict=True)
    if len(set(first)) == 1 or len(set(second)) == 1:
        return RankAgreement(None, None, len(pairs))
    result = kendalltau(first, second)
    return RankAgreement(float(result.statistic), float(result.pvalue), len(pairs))
