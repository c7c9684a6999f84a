"""Rank agreement: how well an early score orders what a late one orders. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEAST = 5
"""Fewest pairs of scores for which an agreement is shown."""

DRAWS = 400
"""Bootstrap samples of the interval."""


@dataclass(frozen=True)
class RankAgreement:
    """The rank agreement of two scores of the same networks.

    Attributes:
        tau: Kendall's tau-b in [-1, 1]: 1 for the same order, 0 for none.
        low: Lower end of its 95 % interval (bootstrap over the networks).
        high: Upper end.
        count: Number of networks.
    """

    tau: float
    low: float
    high: float
    count: int

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return asdict(self)


def rank_agreement(first: Sequence[float], second: Sequence[float]) -> RankAgreement | None:
    """Returns the agreement of two scores [N]; None for few networks, or equal scores of all."""
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    tau = kendall_tau(one, other) if len(one) >= LEAST else math.nan
    if math.isnan(tau):
        return None
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(DRAWS):
        rows = random.integers(len(one), size=len(one))
        drawn.append(kendall_tau(one[rows], other[rows]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return RankAgreement(tau, float(low), float(high), len(one))


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Returns Kendall's tau-b of two scores [N], which counts ties; NaN if one is constant.

    Kendall 1945, https://doi.org/10.1093/biomet/33.3.239. Tests compare it with SciPy's, which
    takes longer to import than `paretune front` takes.
    """
    signs = np.sign(first[:, None] - first[None]), np.sign(second[:, None] - second[None])
    agreeing = float((signs[0] * signs[1]).sum())
    pairs = math.sqrt(float((signs[0] != 0).sum()) * float((signs[1] != 0).sum()))
    return agreeing / pairs if pairs else math.nan
